"""What a study file says is never a command: names that a shell would run are refused, and files may bear any."""

import json
import shutil
from pathlib import Path

import pytest

from asura.common.errors import UserError
from asura.planning.planner import make
from tests.conftest import TEXTS, TINY, Tell
from tests.planning.plans import prepare
from tests.workflow.conftest import copy_workflow, snakemake, write

PHOP = TINY["tasks"]["phop"]
NAMES = ["$(touch x)", "`touch x`", "x; touch x", "'; touch x; '", '" touch x "', "../x", "a b"]
PLACES = [
    lambda name: {"name": name},
    lambda name: {"tasks": {name: {"task": "phop", **PHOP}}},
    lambda name: {"tasks": {"phop": {"task": name}}},
    lambda name: {"models": {name: {"n": 1}}},
    lambda name: {"models": {"asura": {"n": 1, "i": 2, "long_skip": name}}},
    lambda name: {"models": {"asura": {"n": 1, "i": 2, "training": {"start_from": name}}}},
    lambda name: {"controls": [name]},
    lambda name: {"evaluation": {"benchmarks": [name]}},
    lambda name: {"evaluation": {"iterations": name}},
    lambda name: {"external": name},
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_name_that_is_none_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch, name: str, place, fault: Tell
):
    fault("a study file with `$(…)`, quotes, `;` or `../` for a name", "refused in one line; no shell sees it")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        prepare(TINY | place(name), Path("results"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "study"),
    [
        ("tasks", {"tasks": {"A": {"task": "phop", **PHOP}, "a": {"task": "phop", **PHOP}}}),
        ("ablations", {"ablations": [{"Depth": {"asura": {}}}, {"depth": {"asura": {}}}]}),
        ("ablations", {"ablations": ["adapter", {"Adapter": {"asura": {}}}]}),
    ],
    ids=str,
)
def test_names_that_differ_only_in_case_are_refused(tmp_path: Path, monkeypatch, key: str, study: dict, fault: Tell):
    monkeypatch.chdir(tmp_path)
    fault("names of tasks or ablations that differ only in case", "refused in one line: they may be one folder")
    with pytest.raises(UserError, match=rf"{key}: .* differ only in case, .*; rename one"):
        prepare(TINY | study, tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_two_labels_of_a_task_differ_only_in_case():
    entries = [{"n": 1, "i": 2, "long_skip": ["add", "concat"]}, {"n": [1, 2], "i": 3, "training": {"batch": 8}}]
    labels = [row["label"] for row in make(TINY | {"models": {"asura": entries}, "controls": ["iso_param"]}).models]
    assert len({label.lower() for label in labels}) == len(set(labels)) == len(labels)
    assert all(label == label.lower() for label in labels)  # as they are made


@pytest.mark.faults
def test_files_may_bear_any_name(tmp_path: Path, monkeypatch, fault: Tell):
    fault("folders, study file and texts with such names", "used like any other file; no shell runs them")
    odd = 'it\'s a $(touch sprung) "`touch sprung`" & b'
    folder = tmp_path / odd
    folder.mkdir()
    monkeypatch.setenv("ASURA_DATA", str(tmp_path / f"data {odd}"))
    (folder / f"texts {odd}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    corpus = {"source": "files", "paths": [f"texts {odd}.jsonl"], "vocabulary": 320}
    write(copy_workflow(folder), TINY | {"tasks": {"text": {"corpus": corpus, "length": 16}}})
    shutil.move(folder / "study.yaml", folder / f"{odd}.yaml")
    done = snakemake(folder, "--cores", "2", "--configfile", f"{odd}.yaml", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("sprung"))
