"""Corpora of the Hugging Face hub, which stand-ins for its clients give."""

from types import SimpleNamespace
from typing import Any

import datasets
import pytest
from huggingface_hub import HfApi

from asura.common.errors import UserError
from asura.corpora.documents import documents
from asura.corpora.prepare import prepare_corpus
from asura.corpora.settings import Hub
from asura.corpora.skipped import Skipped


def test_a_hub_that_cannot_be_reached_says_what_works_without(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("no route to the hub\nand more")

    monkeypatch.setattr(HfApi, "dataset_info", unreachable)
    with pytest.raises(UserError, match=r"a/b: .*\(no route to the hub\); `source: embedded` and `source: files`"):
        prepare_corpus(Hub(source="hub", name="a/b"), tmp_path, tmp_path)


def test_the_hub_is_streamed_as_asked(tmp_path, monkeypatch):
    asked: dict[str, Any] = {}

    def load(path, **options):
        asked.update(options, path=path)
        return iter([{"body": "one"}, {"body": None}, {"body": "two"}, {"body": "three"}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    settings = Hub(source="hub", name="a/b", configuration="c", revision="d", split="e", column="body", documents=2)
    skipped = Skipped()
    assert list(documents(settings, tmp_path, skipped)) == ["one", "two"]
    assert skipped == Skipped(rows=1)
    assert asked == {"path": "a/b", "name": "c", "revision": "d", "split": "e", "streaming": True}


def test_a_corpus_of_the_hub_is_read_from_one_commit_which_the_manifest_names(tmp_path, monkeypatch):
    asked = []

    def load(path, **options):
        asked.append(options["revision"])
        return iter([{"text": f"Text {k}: the cat sat on the mat."} for k in range(100)])

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: SimpleNamespace(sha="c0ffee"))
    corpus = Hub(source="hub", name="a/b", vocabulary=260, held_out=0.2)
    made = prepare_corpus(corpus, tmp_path, tmp_path)
    assert set(asked) == {"c0ffee"}
    assert made["sources"] == {"a/b": "c0ffee"} and "revision" not in made["made_of"]
