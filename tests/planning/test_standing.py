"""What stands of a study is decided by what its files say."""

import json
from pathlib import Path
from typing import Any

import pytest

from asura.common.errors import UserError
from asura.common.files import read_sealed, write_sealed
from asura.evaluation.evaluate import evaluate
from asura.planning.plan import Plan
from asura.planning.products import is_made_of, note_made_of
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.planning.standing import Standing, done_in_words, remarks
from asura.reporting.collect import collect
from asura.training.loop import train
from tests.conftest import TINY
from tests.planning.plans import prepare

RUN = "runs/phop/asura-n1-i2/seed0"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Path]:
    """A study of two seeds, of which one is trained and evaluated."""
    monkeypatch.chdir(tmp_path)
    plan, study = prepare(TINY | {"seeds": [0, 1]}, tmp_path), tmp_path / "tiny"
    folder = RunFolder(study / RUN)
    train(read_run(folder.run), study / RUN)
    evaluate(study / RUN, plan.evaluation_of("phop"))
    return plan, study


def said(plan: Plan, study: Path) -> str:
    return "; ".join(remarks("tiny", [Standing(plan, study)]))


def reseal(path: Path, **changes: Any) -> None:
    write_sealed(path, read_sealed(path) | changes)


def test_a_run_is_fresh_missing_or_stale(made):
    plan, study = made
    states = Standing(plan, study).runs
    assert states[RUN].is_done and not states[RUN].other_code and states[RUN].made_on == ("cpu (x86_64)", "float32")
    assert states[RUN.replace("seed0", "seed1")].trained == "missing"
    assert not Standing(plan, study).is_done and said(plan, study) == ""
    assert list(done_in_words([Standing(plan, study)])) == ["1 of 2 runs are done"]
    more = plan._replace(evaluation=plan.evaluation | {"examples": 60})
    assert Standing(more, study).state(RUN)[:2] == ("fresh", "stale")
    run = json.loads(json.dumps(plan.runs[RUN])) | {"training": {"steps": 13}}
    longer = plan._replace(runs=plan.runs | {RUN: run})
    assert Standing(longer, study).state(RUN)[:2] == ("stale", "stale")
    assert said(longer, study).startswith("tiny: 1 runs (asura-n1-i2) are trained again: their training changed")
    reseal(study / RUN / "training.json", run="x")
    assert "their texts or first weights changed, or their record is damaged" in said(plan, study)
    (study / RUN / "weights.safetensors").unlink()
    assert Standing(plan, study).state(RUN).trained == "missing" and not list(done_in_words([Standing(plan, study)]))


def test_what_starts_from_a_run_stands_no_better_than_that_run(made):
    plan, study = made
    last = RUN.replace("seed0", "seed1")
    started = plan.runs[RUN] | {"start_from": last}
    of_two = plan._replace(runs=plan.runs | {RUN: started})
    assert Standing(of_two, study).state(RUN).trained == "missing"
    train(read_run(RunFolder(study / last).run), study / last)
    run = json.loads(json.dumps(plan.runs[last])) | {"training": {"steps": 13}}
    longer = of_two._replace(runs=of_two.runs | {last: run})
    assert [Standing(longer, study).state(name).trained for name in (last, RUN)] == ["stale", "stale"]


def test_runs_by_other_code_are_named_and_stay(made):
    plan, study = made
    reseal(study / RUN / "evaluation.json", code="x")
    assert Standing(plan, study).made_by_other_code() == {RUN: ("evaluation",)}
    reseal(study / RUN / "training.json", code="x")
    assert Standing(plan, study).state(RUN)[:3] == ("fresh", "fresh", ("training", "evaluation"))
    assert "1 of 2 runs were made by other code (asura-n1-i2); `asura outdated tiny --discard`" in said(plan, study)


def test_devices_and_precisions_that_are_mixed_are_named(made):
    plan, study = made
    other = study / RUN.replace("seed0", "seed1")
    train(read_run(RunFolder(other).run), other)
    assert said(plan, study) == ""
    reseal(other / "training.json", precision="bfloat16", device="NVIDIA H100")
    assert said(plan, study) == (
        "tiny: runs of phop that are compared were trained in several ways: NVIDIA H100 in bfloat16, "
        "cpu (x86_64) in float32"
    )


def test_a_run_may_be_evaluated_on_another_device_than_it_was_trained_on(made):
    plan, study = made
    reseal(study / RUN / "evaluation.json", device="NVIDIA H100")
    assert Standing(plan, study).state(RUN).is_done and said(plan, study) == ""


def test_products_are_of_their_runs_and_of_the_code_that_wrote_them(made, monkeypatch):
    plan, study = made
    before = Standing(plan, study).digest
    note_made_of(study / "tables", before, "tables")
    assert is_made_of(study / "tables", Standing(plan, study).digest, "tables")
    reseal(study / RUN / "evaluation.json", seconds=1.0)
    assert not is_made_of(study / "tables", Standing(plan, study).digest, "tables")
    monkeypatch.setattr("asura.planning.products.source_digest", lambda modules: "another")
    assert not is_made_of(study / "tables", before, "tables")


def test_what_was_deleted_of_a_run_is_missing(made):
    plan, study = made
    folder = RunFolder(study / RUN)
    folder.outcomes.unlink()
    assert Standing(plan, study).state(RUN)[:2] == ("fresh", "missing")
    with pytest.raises(
        UserError, match=r"outcomes\.safetensors: missing, .*; delete evaluation\.json to evaluate again"
    ):
        collect(study, partial=True)
    folder.metrics.unlink()
    assert Standing(plan, study).state(RUN).trained == "missing"
