"""Paths in a study count from the folder of its file."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from asura.common.errors import UserError
from asura.corpora.tokenizers import train_bpe
from asura.planning.planner import make
from asura.planning.run_folder import digest
from asura.planning.study_file import as_placed, read_study
from asura.planning.workflow import StudyWorkflow
from tests.conftest import TEXTS, TINY
from tests.planning.own_code import GATED


def text(**corpus: object) -> dict[str, Any]:
    return TINY | {"tasks": {"text": {"corpus": {"source": "files", "vocabulary": 300, **corpus}, "length": 8}}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study and its texts in a folder below it."""
    folder = tmp_path / "mine"
    monkeypatch.chdir(tmp_path)
    (folder / "texts").mkdir(parents=True)
    for k, words in enumerate(TEXTS):
        (folder / "texts" / f"{k}.txt").write_text(words)
    train_bpe(TEXTS, 300).save(str(folder / "tokenizer.json"))
    return folder


ROW = {"label": "theirs", "task": "phop", "metric": "accuracy", "score": 0.9, "source": "Doe, 2026"}


def placed_in(file: Path, config: dict[str, Any]) -> dict[str, Any]:
    return as_placed(config, {file: config})


def corpus_of(config: dict) -> dict:
    return config["tasks"]["text"]["corpus"]


@pytest.mark.parametrize("path", ["texts", "texts/*.txt", "./texts/1.txt"])
def test_a_path_counts_from_the_study_and_stands_as_seen_from_here(here, monkeypatch, path):
    (here / "s.yaml").write_text(yaml.safe_dump(text(paths=[path, "/data/x.txt"])))
    plain = path.removeprefix("./")
    assert corpus_of(read_study(Path("mine/s.yaml")))["paths"] == [f"mine/{plain}", "/data/x.txt"]
    monkeypatch.chdir(here)
    assert corpus_of(read_study(Path("s.yaml")))["paths"] == [path, "/data/x.txt"]
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert corpus_of(read_study(Path("../s.yaml")))["paths"] == [f"{here}/{plain}", "/data/x.txt"]


def test_a_tokenizer_gives_the_vocabulary_that_a_study_does_not_name(here):
    config = text(paths=["texts"], tokenizer="tokenizer.json")
    del corpus_of(config)["vocabulary"]
    placed = placed_in(Path("mine/s.yaml"), config)
    assert corpus_of(placed)["tokenizer"] == "mine/tokenizer.json" and corpus_of(placed)["vocabulary"] == 300
    assert corpus_of(placed_in(here / "s.yaml", text(tokenizer="."))) | {"vocabulary": 300} == {
        "source": "files",
        "tokenizer": "mine",
        "vocabulary": 300,
    }
    (run,) = make(placed).runs.values()
    (here / "tokenizer.json").unlink()  # what is trained needs it no more
    assert run["task"]["corpus"]["vocabulary"] == 300
    assert corpus_of(placed_in(Path("mine/s.yaml"), config)).get("vocabulary") is None


def test_names_of_tokenizers_and_what_is_no_path_stay_as_they_are():
    for corpus in ({"tokenizer": "gpt2"}, {"tokenizer": "bpe"}, {"paths": "x"}, {"paths": [3]}, {"tokenizer": 3}):
        assert placed_in(Path("mine/s.yaml"), text(**corpus)) == text(**corpus)
    others: list[dict[str, Any]] = [{}, {"tasks": []}, {"tasks": {"text": None}}, {"tasks": {"text": {"corpus": "x"}}}]
    for config in others:
        assert placed_in(Path("mine/s.yaml"), config) == config
    assert as_placed(text(paths=["x"]), {}) == text(paths=["x"])


def test_a_study_as_a_plan_has_written_it_is_placed_already():
    place = Path("results/tiny")
    place.mkdir(parents=True)
    for name in ("study.json", "plan.json"):
        (place / name).write_text(json.dumps(text(paths=["mine/texts"])))
    assert read_study(place / "study.json") == text(paths=["mine/texts"])


def test_the_workflow_reads_texts_beside_the_study_and_refuses_what_it_cannot_prepare(here):
    (here / "s.yaml").write_text(yaml.safe_dump(text(paths=["texts"])))
    study = StudyWorkflow(text(paths=["texts"]), ["mine/s.yaml"])
    assert study.plan.corpora["text"]["paths"] == ["mine/texts"] == corpus_of(dict(study.config))["paths"]
    (here / "s.yaml").write_text(yaml.safe_dump(text(paths=["text"])))
    with pytest.raises(UserError, match=r"^mine/s\.yaml: tasks\.text\.corpus: mine/text: no such file or folder"):
        StudyWorkflow(text(paths=["text"]), ["mine/s.yaml"])
    StudyWorkflow(text(paths=["text"]), ["mine/s.yaml"], is_job=True)


def test_the_content_of_a_checkpoint_is_part_of_the_identity_of_a_model_of_other_code(here):
    (here / "theirs.pt").write_bytes(b"2")
    settings = {"vocabulary": 3, "more": [{"path": "theirs.pt"}, "x" * 5000, "no.pt"]}
    entry = {"factory": "tests.planning.other_models:of_checkpoint", "settings": settings}
    (here / "s.yaml").write_text(yaml.safe_dump(TINY | {"evaluated": {"theirs": entry}}))
    found = []
    for content in (b"2", b"3"):
        (here / "theirs.pt").write_bytes(content)
        config = read_study(Path("mine/s.yaml"))
        assert config["evaluated"]["theirs"]["settings"]["more"][0] == {"path": "mine/theirs.pt"}
        (run,) = (run for run in make(config).runs.values() if run["label"] == "theirs")
        found.append(digest(run))
    assert found[0] != found[1]
    (here / "theirs.pt").write_bytes(b"4")
    with pytest.raises(UserError, match=r"mine/theirs\.pt: it is missing, or is not what was planned with"):
        make(config)


def test_each_path_starts_from_the_last_file_that_says_it(here):
    """As Snakemake merges several files, and the command line over them."""
    for place in (Path(), here):
        (place / "rows.yaml").write_text(yaml.safe_dump([ROW | {"source": str(place)}]))
        (place / "gated.py").write_text(GATED + f"place = {str(place)!r}\n")
        (place / "wide.smk").touch()
    (here / "theirs.pt").touch()
    theirs = {"evaluated": {"theirs": {"factory": "a:b", "settings": {"at": "theirs.pt"}}}}
    own = {"plugins": ["gated.py"], "external": "rows.yaml", "ablations": ["wide.smk"]}
    other = text(paths=["texts"])["tasks"]["text"]
    first = own | text(paths=["texts"]) | theirs
    second: dict[str, Any] = {"external": "rows.yaml", "plugins": ["gated.py"], "tasks": {"other": other}}
    config = first | second | {"tasks": {**first["tasks"], **second["tasks"]}}
    said = {Path("mine/s.yaml"): first, Path("t.yaml"): second}
    placed = as_placed(config, said)
    assert {name: task["corpus"]["paths"] for name, task in placed["tasks"].items()} == {
        "text": ["mine/texts"],
        "other": ["texts"],
    }
    assert placed["ablations"] == ["mine/wide.smk"] and placed["external"][0]["source"] == "."
    assert placed["evaluated"]["theirs"]["settings"] == {"at": "mine/theirs.pt"}
    (of_second,), (of_first,) = placed["plugins"], as_placed(first, {Path("mine/s.yaml"): first})["plugins"]
    assert of_second != of_first
    over = as_placed(config, {Path("mine/s.yaml"): config}, {"external": "rows.yaml"})
    assert over["external"][0]["source"] == "." and over["plugins"] == [of_first]
