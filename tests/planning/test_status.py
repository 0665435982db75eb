"""How a study stands, by what its runs have left."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asura.cli.several import one_by_one
from asura.common.errors import UserError
from asura.common.files import write_sealed
from asura.common.log_lines import FAILED, Progress
from asura.planning.plan import Plan, load
from asura.planning.run_folder import RunFolder, digest
from asura.planning.run_status import INTERVALS, LEAST_QUIET, TAIL, UNKNOWN, RunStatus, quiet_limit
from asura.planning.status_table import MOST, page, print_status
from asura.planning.study_status import StudyStatus, study_status
from asura.training.signals import Stopped
from tests.conftest import ROOT, TINY
from tests.planning.plans import prepare

NOW = 2_000_000_000.0
STEPS = 12


class Study:
    """A planned study of one model with three seeds, whose files tests write; each is as old as is said."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan
        self.job = path / "jobs" / "phop" / "asura-n1-i2" / "-".join(map(str, plan.seeds))

    def folder(self, seed: int) -> RunFolder:
        return RunFolder(self.path / "runs" / "phop" / "asura-n1-i2" / f"seed{seed}")

    def write(self, seed: int, name: str, text: str, age: float = 1.0) -> None:
        self.write_at(self.folder(seed).path / name, text, age)

    def write_at(self, path: Path, text: str, age: float = 1.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (NOW - age, NOW - age))

    def metrics(self, seed: int, step: int, loss: float | None = 0.5, age: float = 1.0, rest: str = "") -> None:
        rows = [{"step": 5, "loss": 9.0}, {"step": step, "loss": loss}]
        self.write(seed, "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + rest, age)

    def record(
        self, seed: int, status: str = "finished", seconds: float = 30.0, step: int = STEPS, **more: str
    ) -> None:
        folder, run = self.folder(seed), self.plan.runs[f"runs/phop/asura-n1-i2/seed{seed}"]
        record = {"run": digest(run), "status": status, "step": step, "seconds": seconds, "weights": "w"} | more
        write_sealed(folder.record, record)
        os.utime(folder.record, (NOW - 5, NOW - 5))

    def evaluation(self, seed: int, seconds: float = 4.0, weights: str = "w") -> None:
        made_of = {"weights": weights, **self.plan.evaluation_of("phop").stated()}
        write_sealed(self.folder(seed).evaluation, {"made_of": made_of, "seconds": seconds})

    def status(self) -> StudyStatus:
        return study_status(self.path, NOW)

    def of(self, seed: int) -> RunStatus:
        return self.status().runs[f"runs/phop/asura-n1-i2/seed{seed}"]

    def left(self, seed: int) -> float | None:
        return self.status().left[f"runs/phop/asura-n1-i2/seed{seed}"]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    plan = prepare(TINY | {"seeds": [0, 1, 2]}, tmp_path / "results")
    return Study(tmp_path / "results" / "tiny", plan)


def progress(step: int, per_second: float = 0.5) -> str:
    return f"asura: asura-n1-i2 on phop, seed 0: from step 0\n{Progress(step, STEPS, 0.5, per_second).line()}\n"


def test_a_study_that_is_planned_waits(study: Study):
    status = study.status()
    assert status.counts() == {"waiting": 3} and status.total is None and not status.is_done
    assert study.of(0) == RunStatus("waiting")


def test_a_folder_without_a_plan_is_refused_in_a_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"it has no plan\.json; give the results of a study"):
        study_status(tmp_path, NOW)


def test_a_run_that_writes_is_running_with_the_step_and_loss_of_its_last_whole_line(study: Study):
    study.metrics(0, 8, 0.25, rest='{"step": 10, "lo')
    study.write(0, "train.log", progress(5))
    assert study.of(0) == RunStatus("running", 8, 0.25, 0.5)
    assert study.left(0) == (STEPS - 8) / 0.5
    assert study.left(1) == study.left(2) == STEPS / 0.5  # as its neighbour, before any has ended
    assert study.status().total == (STEPS - 8) / 0.5 + 2 * STEPS / 0.5 and study.status().active == 1


@pytest.mark.parametrize("per_second", [None, 0.01, 1000.0])
def test_a_run_that_is_quiet_for_longer_than_it_may_is_interrupted(study: Study, per_second: float | None):
    run = study.plan.runs["runs/phop/asura-n1-i2/seed0"]
    limit = quiet_limit(run, per_second)
    assert limit == (UNKNOWN if per_second is None else max(LEAST_QUIET, INTERVALS * 5 / per_second))
    for age, state in {limit - 1: "running", limit + 1: "interrupted"}.items():
        study.metrics(0, 8, age=age)
        study.write(0, "train.log", progress(5, per_second) if per_second else "asura: from step 0\n", age + 3)
        assert study.of(0).state == state
    assert study.of(0).detail == "begins again when the study is started"
    study.write(0, "checkpoint.safetensors", "", limit + 60)
    assert study.of(0).detail == "goes on from its last checkpoint when the study is started"
    assert study.left(0) is None or per_second


def test_a_run_that_a_signal_has_stopped_is_interrupted_at_once(study: Study):
    def stop(folder: Path) -> str:
        raise Stopped(15, 7)

    study.metrics(0, 7)
    with pytest.raises(Stopped):
        one_by_one([study.folder(0).path], "train.log", stop)
    os.utime(study.folder(0).path / "train.log", (NOW, NOW))
    assert study.of(0).state == "interrupted"


@pytest.mark.parametrize("error", [UserError("no such thing"), ZeroDivisionError("by\nnothing")])
def test_a_run_whose_log_ends_with_an_error_has_failed_and_says_so(study: Study, error: Exception):
    def fail(folder: Path) -> str:
        raise error

    study.metrics(0, 7)
    folders = [study.folder(0).path, study.folder(1).path]
    with pytest.raises(UserError, match="2 of 2 runs failed"):
        one_by_one(folders, "train.log", fail)
    for folder in folders:
        os.utime(folder / "train.log", (NOW, NOW))
    said = "no such thing" if isinstance(error, UserError) else repr(error)
    assert study.of(0) == RunStatus("failed", 7, 0.5, detail=said)
    assert study.of(1) == RunStatus("failed", detail=said) and study.of(2).state == "waiting"


@pytest.mark.parametrize(
    ("log", "detail"),
    [
        ("asura: ASURA_DEVICE: found 'toaster'\n", "ASURA_DEVICE: found 'toaster'"),
        ("Traceback (most recent call last):\n  File\nImportError: torch\n", "ImportError: torch"),
    ],
)
def test_runs_have_failed_whose_job_failed_before_they_began(study: Study, log: str, detail: str):
    study.write_at(study.job / "train.log", log)
    assert study.of(1) == RunStatus("failed", detail=detail)
    study.write_at(study.job / "train.log", "asura: results/x/seed0: stopped by SIGTERM; saved after step 3\n")
    assert study.of(1).state == "waiting"
    study.record(0)
    study.write_at(study.job / "evaluate.log", log)
    assert study.of(0).state == "failed" and study.of(0).detail == f"evaluation: {detail}"


@pytest.mark.parametrize("status", ["diverged", "out of memory"])
def test_a_run_that_ended_badly_is_done_and_is_named(study: Study, status: str):
    for seed in range(3):
        study.record(seed, status, step=7)
    assert study.of(0) == RunStatus(status, 7, trained_in=30.0, detail="at step 7")  # type: ignore[arg-type]
    assert study.status().is_done and study.status().total == 0


def test_a_trained_run_waits_for_its_evaluation_is_evaluated_and_is_finished(study: Study):
    study.record(0)
    assert study.of(0).state == "trained"
    study.write(0, "evaluate.log", "asura: evaluated on cpu\n", age=1)
    assert study.of(0).state == "evaluating"
    study.write(0, "evaluate.log", "asura: evaluated on cpu\n", age=10)  # of weights before these
    assert study.of(0).state == "trained"
    study.write(0, "evaluate.log", f"{FAILED}no disk\n", age=1)
    assert study.of(0).state == "failed" and study.of(0).detail == "evaluation: no disk"
    study.evaluation(0, weights="other")
    assert study.of(0).state == "failed"
    study.evaluation(0)
    assert study.of(0) == RunStatus("finished", STEPS, trained_in=30.0, evaluated_in=4.0)


def test_what_is_left_follows_from_runs_that_have_ended(study: Study):
    study.record(0, seconds=24.0)
    study.evaluation(0, seconds=4.0)
    study.metrics(1, 3, age=1)
    study.write(1, "train.log", "asura: from step 0\n")
    assert study.left(0) == 0 and study.left(1) == 24 * 9 / 12 + 4 and study.left(2) == 24 + 4
    assert study.status().total == 24 * 9 / 12 + 4 + 24 + 4


def test_other_models_are_estimated_by_their_flops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    models = {"asura": {"n": 1, "i": [2, 4]}}
    plan = prepare(TINY | {"models": models}, tmp_path / "results")
    study = Study(tmp_path / "results" / "tiny", plan)
    study.record(0, seconds=24.0)
    costs = {model["label"]: model["training_flops"] for model in plan.models}
    ratio = costs["asura-n1-i4"] / costs["asura-n1-i2"]
    assert study.status().left["runs/phop/asura-n1-i4/seed0"] == pytest.approx(24 * ratio)


def test_what_other_settings_have_left_is_trained_again(study: Study):
    study.record(0, run="of other settings")
    study.metrics(0, 12, age=5000)
    assert study.of(0) == RunStatus("waiting")
    study.metrics(0, 5, age=1)
    assert study.of(0).state == "running"


@pytest.mark.parametrize("content", [b"", b"{", b'{"run": 3}', b"[]", b"\xff\xfe\x00", b'{"step": "x"}\n{"loss": 1}\n'])
def test_damaged_files_stop_nothing_and_nothing_is_written(study: Study, content: bytes):
    for seed in range(3):
        for name in ("training.json", "evaluation.json", "metrics.jsonl", "train.log", "evaluate.log"):
            (study.folder(seed).path / name).write_bytes(content)
    study.record(1)
    before = {path: path.stat().st_mtime_ns for path in study.path.rglob("*")}
    print_status(study.path, watch=False)
    assert study.of(0).step == 0 and study.of(1).state in ("trained", "evaluating")
    assert {path: path.stat().st_mtime_ns for path in study.path.rglob("*")} == before


def test_only_the_end_of_a_long_log_is_read(study: Study):
    study.write(0, "metrics.jsonl", json.dumps({"step": 3, "loss": 0.5}) + "\n" + " " * 3 * TAIL + "\n")
    assert study.of(0) == RunStatus("running")


def test_runs_of_ablations_are_counted_once(study: Study):
    prepared = load(study.path / "plan.json")
    extra = prepared._replace(runs={**prepared.runs})
    write_sealed(study.path / "ablations" / "same" / "plan.json", extra._asdict())
    shutil.copy(study.path / "study.json", study.path / "ablations" / "same")
    assert study.status().counts() == {"waiting": 3}


def test_a_page_has_counts_and_a_line_for_each_run_that_is_at_work_or_failed(study: Study, capsys):
    study.record(0)
    study.evaluation(0)
    study.metrics(1, 8, 0.25)
    study.write(1, "train.log", progress(5))
    study.write(2, "train.log", f"{FAILED}no disk\n")
    print_status_at(study)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"{study.path}: 1 finished, 1 failed, 1 running of 3 runs" in lines
    assert "phop/asura-n1-i2/seed1 running 8 of 12 0.25 0.5 12 seconds –".removesuffix(" –") in lines
    assert "phop/asura-n1-i2/seed2 failed 0 of 12 – – – no disk" in lines
    assert lines[-1].startswith("About") and "left with 1 job at work" in lines[-1]


def print_status_at(study: Study) -> None:
    from rich.console import Console

    Console(width=200).print(page(study.path, study.status()), highlight=False)


def test_of_very_many_runs_the_rest_is_counted(study: Study, capsys):
    status = study.status()
    failed = RunStatus("failed", detail="x")
    names = [f"runs/phop/m/seed{k}" for k in range(MOST + 7)]
    many = status._replace(runs=dict.fromkeys(names, failed), steps=dict.fromkeys(names, 1), left=dict.fromkeys(names))
    from rich.console import Console

    Console(width=200).print(page(study.path, many))
    out = capsys.readouterr().out
    assert out.count("seed") == MOST and "and 7 more" in out


def test_watching_ends_when_all_is_done(study: Study, capsys):
    for seed in range(3):
        study.record(seed)
        study.evaluation(seed)
    print_status(study.path, watch=True)
    assert "3 finished of 3 runs" in capsys.readouterr().out


def test_the_status_is_read_without_torch():
    code = "import sys, asura.planning.status_table, asura.cli; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
