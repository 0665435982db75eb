"""Which documents of a corpus are for training, and which are held out."""

from collections.abc import Iterable
from hashlib import sha256

from asura.common.errors import UserError
from asura.corpora.settings import AnyCorpus, Files

SPLITS = ("train", "validation", "test")


def split_of(text: str, share: float) -> str:
    """The split of a document; `validation` and `test` have this share of all documents each."""
    place = int.from_bytes(sha256(f"split\n{text}".encode()).digest()[:8]) / 2**64
    return "test" if place < share else "validation" if place < 2 * share else "train"


def check_splits(texts: Iterable[str], corpus: AnyCorpus) -> None:
    """Raises UserError where a split has no document. Reads no further than until each has one."""
    missing, count = [*SPLITS], 0
    for text in texts:
        count += 1
        if (split := split_of(text, corpus.held_out)) in missing:
            missing.remove(split)
        if not missing:
            return
    raise UserError(f"no document is in the {missing[0]} split, of {count} in all; {_remedy(corpus)}")


def _remedy(corpus: AnyCorpus) -> str:
    """What gives a corpus documents in all splits."""
    if isinstance(corpus, Files) and corpus.separator is None and any(".txt" in path for path in corpus.paths):
        return "a .txt file is one document; set `separator` to cut it, or give more files"
    return "give more documents, or another held_out"
