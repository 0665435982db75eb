"""What can be known of a corpus before it is prepared: whether its files can be read, and its tokenizer fits."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.corpora.documents import documents
from asura.corpora.files import LOOKED_AT, files_of, texts_of
from asura.corpora.folders import corpus_folder
from asura.corpora.settings import Files
from asura.corpora.skipped import Skipped
from asura.corpora.sources import is_of_its_sources
from asura.corpora.splits import check_splits
from asura.corpora.tokenizer_paths import own_tokenizer, tokenizer_file

SAMPLED = 100
"""Documents that a tokenizer must give back; half of them, as some normalise rare characters."""


def check_corpus(settings: Mapping[str, Any]) -> None:
    """Raises UserError where a corpus, its settings as they stand in JSON, is to be prepared and cannot be."""
    manifest = corpus_folder(settings) / "manifest.json"
    if manifest.is_file() and is_of_its_sources(read_json(manifest), settings):
        return
    texts: list[str] = []
    if settings["source"] == "files":
        files = Files.model_validate(settings)
        texts = list(islice(_heads(files), SAMPLED))
        check_splits(documents(files, Path()), files)
    if own_tokenizer(settings):
        _check_tokenizer(tokenizer_file(settings["tokenizer"]), settings, texts)


def _heads(corpus: Files) -> Iterator[str]:
    """The first documents of each file. All are looked at before the first is given."""
    texts: list[str] = []
    for path in files_of(corpus.paths):
        found = islice(texts_of(path, corpus.column, corpus.separator, Skipped()), LOOKED_AT)
        texts += [text for text in found if text.strip()][: SAMPLED - len(texts)]
    yield from texts
    if not texts:
        raise UserError(f"paths: no document is in {', '.join(corpus.paths)}")


def _check_tokenizer(path: Path, settings: Mapping[str, Any], texts: list[str]) -> None:
    from asura.corpora.tokenizers import gives_back, own, size

    tokenizer = own(path)
    vocabulary = settings.get("vocabulary", Files.model_fields["vocabulary"].default)
    if size(tokenizer) > vocabulary:
        raise UserError(f"vocabulary: found {vocabulary}; {path} has {size(tokenizer)} tokens, leave vocabulary out")
    if 2 * sum(gives_back(tokenizer, text) for text in texts) < len(texts):
        raise UserError(
            f"tokenizer: {path} does not give texts back as they were, so that bits per byte mean nothing; "
            "give one that does, such as a byte-level BPE"
        )
