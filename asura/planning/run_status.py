"""How a run stands while its study runs, or afterwards, by the files in its folder. Nothing here writes.

No file says whether a process is alive, which may be on another machine. So a run counts as running as long as it
writes (`quiet_limit`). One that is quiet before its end counts as interrupted, and one whose log ends with an error as
failed.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from asura.common.errors import UserError
from asura.common.files import read_json, read_sealed
from asura.common.log_lines import FAILED, STOPPED, Progress, read_progress
from asura.planning.run_folder import RunFolder, is_evaluation_of, is_record_of
from asura.planning.study_settings import Evaluation
from asura.planning.training_settings import Training

State = Literal[
    "finished", "diverged", "out of memory", "failed", "interrupted", "evaluating", "trained", "running", "waiting"
]

LEAST_QUIET, INTERVALS, UNKNOWN = 120.0, 5, 600.0
"""Seconds that a run may be quiet: at least so many, and so many of its usual intervals between two lines of metrics;
and how many where it is not known how long these are."""

TAIL = 1 << 14
"""Bytes at the end of a file in which its last lines are."""


class RunStatus(NamedTuple):
    """How a run stands.

    step, loss: of its last line of metrics.
    per_second: steps per second, where its log says so.
    trained_in, evaluated_in: seconds, where each has ended.
    detail: what went wrong, in a line.
    """

    state: State
    step: int = 0
    loss: float | None = None
    per_second: float | None = None
    trained_in: float | None = None
    evaluated_in: float | None = None
    detail: str = ""


def quiet_limit(run: Mapping[str, Any], per_second: float | None) -> float:
    """Seconds without a line after which a run in training no longer counts as running."""
    log_steps = run["training"].get("log_steps", Training.model_fields["log_steps"].default)
    return max(LEAST_QUIET, INTERVALS * log_steps / per_second) if per_second else UNKNOWN


def run_status(folder: RunFolder, run: Mapping[str, Any], asked: Evaluation, job: Path, now: float) -> RunStatus:
    """How a run of a plan stands. Files that are damaged count as missing, since they are made again.

    asked: how it is to be evaluated.
    job: the folder of its job, whose logs say what went wrong before a run has begun.
    now: the time, as files have it.
    """
    record = _read_record(folder)
    if record and is_record_of(run, record):
        return _of_trained(folder, record, asked, job, now)
    own = folder.path / "train.log"
    progress, end = _end_of(own)
    per_second = progress.per_second if progress else None
    written = max(_time(path) for path in (folder.metrics, own, folder.checkpoint))
    is_quiet = now - written > quiet_limit(run, per_second)
    if not written or (record and is_quiet):  # what other settings have left is made again
        return (
            RunStatus("failed", detail=said) if (said := _failure_of_job(job / "train.log")) else RunStatus("waiting")
        )
    step, loss = _last_metrics(folder.metrics)
    if end.startswith(FAILED):
        return RunStatus("failed", step, loss, detail=end.removeprefix(FAILED))
    if is_quiet or STOPPED.match(end):
        is_saved = folder.checkpoint.is_file() or folder.earlier_checkpoint.is_file()
        goes_on = "goes on from its last checkpoint" if is_saved else "begins again"
        return RunStatus("interrupted", step, loss, detail=f"{goes_on} when the study is started")
    return RunStatus("running", step, loss, per_second)


def _of_trained(folder: RunFolder, record: dict[str, Any], asked: Evaluation, job: Path, now: float) -> RunStatus:
    """Of a run whose training has ended: what it ended as, or how its evaluation stands."""
    status = RunStatus("finished", record["step"], trained_in=record["seconds"])
    if record["status"] != "finished":
        return status._replace(state=record["status"], detail=f"at step {record['step']}")
    evaluation: dict[str, Any] = {}
    with suppress(UserError):
        evaluation = read_json(folder.evaluation)
    if is_evaluation_of(evaluation, record, asked):
        return status._replace(evaluated_in=evaluation.get("seconds"))
    own = folder.path / "evaluate.log"
    _, end = _end_of(own)
    if _time(own) > _time(folder.record):
        if end.startswith(FAILED):
            return status._replace(state="failed", detail=f"evaluation: {end.removeprefix(FAILED)}")
        if now - _time(own) < max(UNKNOWN, record["seconds"]) and not STOPPED.match(end):
            return status._replace(state="evaluating")
    elif said := _failure_of_job(job / "evaluate.log"):
        return status._replace(state="failed", detail=f"evaluation: {said}")
    return status._replace(state="trained")


def _read_record(folder: RunFolder) -> dict[str, Any]:
    with suppress(UserError):
        return read_sealed(folder.record)
    return {}


def _end_of(log: Path) -> tuple[Progress | None, str]:
    """The last line of progress in a log, and its last line."""
    lines = _last_lines(log)
    progress = next(filter(None, map(read_progress, reversed(lines))), None)
    return progress, lines[-1] if lines else ""


def _failure_of_job(log: Path) -> str:
    """What the log of a job ends with, if that is an error."""
    lines = _last_lines(log)
    if lines and not STOPPED.match(lines[-1]):
        if lines[-1].startswith("asura: "):
            return lines[-1].removeprefix("asura: ")
        if "Traceback (most recent call last):" in lines:
            return lines[-1]
    return ""


def _last_metrics(metrics: Path) -> tuple[int, float | None]:
    """Step and loss of the last whole line; the loss is None where it is no number."""
    for line in reversed(_last_lines(metrics)):
        with suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            return int(row["step"]), None if row["loss"] is None else float(row["loss"])
    return 0, None


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _time(path: Path) -> float:
    """When a file was written; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
