"""Every split of a corpus has documents, or it is refused before anything is prepared."""

from itertools import count

import pytest

from asura.common.errors import UserError
from asura.corpora.checks import check_corpus
from asura.corpora.settings import Files
from asura.corpora.splits import SPLITS, check_splits, split_of


def corpus(*paths: str, **settings: float) -> Files:
    return Files.model_validate({"source": "files", "paths": list(paths), "held_out": 0.2} | settings)


def test_no_more_is_read_than_until_every_split_has_a_document():
    texts = map(str, count())
    check_splits(texts, corpus("a.txt"))
    read = int(next(texts))
    assert {split_of(str(k), 0.2) for k in range(read)} == set(SPLITS)
    assert {split_of(str(k), 0.2) for k in range(read - 1)} != set(SPLITS)


@pytest.mark.parametrize("missing", SPLITS)
def test_a_split_without_documents_is_named(missing: str, tmp_path, monkeypatch):
    monkeypatch.setenv("ASURA_DATA", str(tmp_path / "data"))
    texts = [text for text in map(str, range(50)) if split_of(text, 0.2) != missing]
    for k, text in enumerate(texts):
        (tmp_path / f"{k}.txt").write_text(text)
    said = rf"^no document is in the {missing} split, of {len(texts)} in all; a \.txt file is one document"
    with pytest.raises(UserError, match=said):
        check_corpus(corpus(str(tmp_path / "*.txt")).stated())
