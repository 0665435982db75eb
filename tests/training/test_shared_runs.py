"""A run that another study in the same results has trained is taken from there, whole, and is then each study's own."""

import json
import os
import shutil
from pathlib import Path

import pytest

from asura.common.files import read_json, read_sealed, write_sealed
from asura.evaluation.evaluate import evaluate
from asura.planning.plan import Plan
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.planning.shared_runs import shared_in_words, trained_elsewhere
from asura.planning.standing import Standing
from asura.training import shared_runs
from asura.training.loop import train
from asura.training.shared_runs import take_evaluation, take_training
from tests.conftest import TINY
from tests.planning.plans import prepare

RUN = "runs/phop/asura-n1-i2/seed0"
FILES = ("weights.safetensors", "metrics.jsonl", "outcomes.safetensors")


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Path, Path]:
    """The plan of a study, the results of another that has trained and evaluated its run, and its own."""
    monkeypatch.chdir(tmp_path)
    there, here = tmp_path / "results" / "tiny", tmp_path / "results" / "other"
    asked = prepare(TINY, tmp_path / "results").evaluation_of("phop")
    train(read_run(RunFolder(there / RUN).run), there / RUN)
    evaluate(there / RUN, asked)
    return prepare(TINY | {"name": "other"}, tmp_path / "results"), there, here


def take(plan: Plan, study: Path) -> RunFolder:
    folder = RunFolder(study / RUN)
    take_training(read_run(folder.run), folder.path)
    if folder.record.exists():
        take_evaluation(folder.path, plan.evaluation_of("phop"))
    return folder


def change(path: Path, **to: object) -> None:
    write_sealed(path, read_sealed(path) | to)


def test_what_is_taken_is_as_if_it_had_been_made_here(studies, capsys):
    plan, there, here = studies
    found = take(plan, here)
    said = capsys.readouterr().err
    assert "asura-n1-i2 on phop, seed 0: trained by " in said and "evaluated by " in said and "results/tiny" in said
    record = train(read_run(found.run), found.path)
    assert capsys.readouterr().err == ""  # nothing is trained
    assert record["taken_from"] == found.read_evaluation()["taken_from"] == "tiny"
    first = RunFolder(there / RUN)
    for mine, other in ((record, first.read_record()), (found.read_evaluation(), first.read_evaluation())):
        assert {key: mine[key] for key in other if key != "sha256"} == {k: v for k, v in other.items() if k != "sha256"}
    assert Standing(plan, here).state(RUN).is_done and not Standing(plan, here).made_by_other_code()


def test_each_study_is_whole_by_itself(studies):
    plan, there, here = studies
    found = take(plan, here)
    assert all((there / RUN / name).samefile(found.path / name) for name in FILES)
    before = (there / RUN / "metrics.jsonl").read_bytes()
    found.forget()
    shorter = plan.runs[RUN] | {"training": TINY["training"] | {"steps": 4}}
    found.run.write_text(json.dumps(shorter))
    train(read_run(found.run), found.path)  # what is written here is not written there
    assert (there / RUN / "metrics.jsonl").read_bytes() == before != found.metrics.read_bytes()
    RunFolder(there / RUN).check(RunFolder(there / RUN).read_record())
    found.run.write_text(json.dumps(plan.runs[RUN]))
    take(plan, here)
    shutil.rmtree(there)
    found.check(found.read_record())
    found.check_outcomes(found.read_evaluation())


def test_files_are_copied_where_they_cannot_have_two_names(studies, monkeypatch):
    plan, there, here = studies

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    found = take(plan, here)
    for name in FILES:
        copy, original = found.path / name, there / RUN / name
        assert copy.read_bytes() == original.read_bytes() and not copy.samefile(original)


@pytest.mark.parametrize("status", ["finished", "out of memory"])
@pytest.mark.parametrize("code", [None, "other"])
def test_only_what_this_code_would_make_again_is_taken(studies, status, code):
    plan, there, here = studies
    change(there / RUN / "training.json", status=status, **({"code": code} if code else {}))
    expected = status == "finished" and code is None
    assert bool(trained_elsewhere(Standing(plan, here))) == take(plan, here).record.exists() == expected


def test_scores_of_another_evaluation_are_not_taken(studies):
    plan, there, here = studies
    change(there / RUN / "evaluation.json", code="other")
    assert take(plan, here).record.exists() and not RunFolder(here / RUN).evaluation.exists()
    change(there / RUN / "evaluation.json", code=plan.code["phop/asura-n1-i2"]["evaluation"])
    take(plan._replace(evaluation=plan.evaluation | {"examples": 60}), here)
    assert not RunFolder(here / RUN).evaluation.exists()
    (there / RUN / "outcomes.safetensors").write_bytes(b"damaged")
    assert not take(plan, here).evaluation.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "metrics.jsonl", "training.json"])
def test_what_is_damaged_is_not_taken_and_the_next_study_is_asked(studies, name):
    plan, there, here = studies
    third = shutil.copytree(there, there.parent / "zebra")
    (there / RUN / name).write_bytes(b"damaged")
    assert take(plan, here).read_record()["taken_from"] == "zebra"
    shutil.rmtree(third)
    shutil.rmtree(here)
    prepare(TINY | {"name": "other"}, here.parent)
    found = take(plan, here)
    assert not found.record.exists()
    assert train(read_run(found.run), found.path)["status"] == "finished"
    found.check(found.read_record())


def test_a_study_that_is_deleted_meanwhile_is_passed_over(studies, monkeypatch):
    plan, there, here = studies
    share = shared_runs._share

    def deleted(file: Path, name: Path) -> None:
        share(file, name)
        shutil.rmtree(there, ignore_errors=True)

    monkeypatch.setattr(shared_runs, "_share", deleted)
    assert not take(plan, here).record.exists()


def test_a_training_that_is_forced_is_made_here(studies):
    plan, _, here = studies
    folder = RunFolder(here / RUN)
    folder.forget(forced=True)
    assert not take(plan, here).record.exists()
    folder.forced.unlink()
    assert take(plan, here).record.exists()


def test_what_stands_here_is_left_alone(studies):
    plan, there, here = studies
    found = RunFolder(here / RUN)
    train(read_run(found.run), found.path)
    evaluate(found.path, plan.evaluation_of("phop"))
    assert "taken_from" not in take(plan, here).read_record() and "taken_from" not in found.read_evaluation()
    assert not found.weights.samefile(there / RUN / "weights.safetensors")


def test_the_plan_says_how_many_runs_are_shared(studies, tmp_path):
    _, _, here = studies
    plan = prepare(TINY | {"name": "other", "seeds": [0, 1]}, tmp_path / "results")
    (line,) = shared_in_words([Standing(plan, here)])
    assert line == "1 of 2 runs need no training: they are taken from tiny, which has trained them"
    take(plan, here)
    assert list(shared_in_words([Standing(plan, here)])) == []
    assert read_json(here / RUN / "run.json") == plan.runs[RUN]
