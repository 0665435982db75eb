"""How a study stands while it runs, or afterwards: all its runs, and an estimate of the time that is left."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from asura.planning.duration import START, makespan
from asura.planning.jobs import Job, jobs_of
from asura.planning.parts import planned_folders
from asura.planning.plan import load
from asura.planning.run_folder import FAILURES, RunFolder
from asura.planning.run_status import RunStatus, State, run_status
from asura.planning.tuned import runs_as_tuned

STATES: tuple[State, ...] = State.__args__  # type: ignore[attr-defined]
ACTIVE = ("running", "evaluating")
AGAIN = ("interrupted", "failed")
"""States of runs that the next start of the study goes on with."""
TO_DO = (*ACTIVE, *AGAIN, "trained", "waiting")


class StudyStatus(NamedTuple):
    """How a study and its ablations stand.

    runs: by their folder below the study's.
    steps: that each run is to take.
    left: seconds until each run is trained and evaluated; None where nothing tells.
    total: seconds until the last job ends, on as many workers as are at work; None where nothing tells.
    active: jobs that are at work.
    """

    runs: dict[str, RunStatus]
    steps: dict[str, int]
    left: dict[str, float | None]
    total: float | None
    active: int

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train or to evaluate."""
        return not any(status.state in TO_DO for status in self.runs.values())

    def counts(self, prefix: str = "runs/") -> dict[State, int]:
        """The number of runs in each state, of those below a folder."""
        found = Counter(status.state for name, status in self.runs.items() if name.startswith(prefix))
        return {state: found[state] for state in STATES if found[state]}


def study_status(study: Path, now: float) -> StudyStatus:
    """Read how a study stands. Raises UserError where it has no plan, or one that is damaged."""
    plan, *ablations = (load(folder / "plan.json") for folder in planned_folders(study))
    plan = plan._replace(runs=runs_as_tuned(plan.runs, study))
    jobs: dict[str, Job] = {}
    settings: dict[str, Mapping[str, Any]] = {}
    models: dict[tuple[str, str], Mapping[str, Any]] = {}
    runs: dict[str, RunStatus] = {}
    for each, others in [(plan, None), *((ablation, plan) for ablation in ablations)]:
        settings |= each.runs
        models |= {(model["task"], model["label"]): model for model in each.models}
        asked = {run["task_name"]: each.evaluation_of(run["task_name"]) for run in each.runs.values()}
        jobs |= {job.name: job for job in jobs_of(each, others)}
        of_run = {run: job for job in jobs.values() for run in job.runs}
        for name, run in each.runs.items():
            if name not in runs:
                job = study / "jobs" / of_run[name].name
                runs[name] = run_status(RunFolder(study / name), run, asked[run["task_name"]], job, now)
    steps = {name: run["training"]["steps"] for name, run in settings.items()}
    pace = _Pace(runs, settings, models)
    left = {name: pace.left(name) for name in runs}
    return StudyStatus(runs, steps, left, *_total(jobs.values(), runs, left))


class _Pace:
    """Seconds that training and evaluation take, from runs that have ended or are running.

    Those of a model are the mean over its runs. Of other models they follow from their FLOPs, at the median speed.
    """

    def __init__(
        self,
        runs: Mapping[str, RunStatus],
        settings: Mapping[str, Mapping[str, Any]],
        models: Mapping[tuple[str, str], Mapping[str, Any]],
    ) -> None:
        self._runs, self._settings = runs, settings
        flops = {
            "train": {key: float(model["training_flops"]) for key, model in models.items()},
            "evaluate": {key: float(model["inference_flops_per_token"]) for key, model in models.items()},
        }
        found: dict[str, dict[tuple[str, str], list[float]]] = {rule: defaultdict(list) for rule in flops}
        for name, status in runs.items():
            key = self._model(name)
            if status.trained_in is not None and status.state not in FAILURES:
                found["train"][key].append(status.trained_in)
            elif status.per_second:
                found["train"][key].append(settings[name]["training"]["steps"] / status.per_second)
            if status.evaluated_in is not None:
                found["evaluate"][key].append(status.evaluated_in)
        self._seconds: dict[str, dict[tuple[str, str], float]] = {}
        for rule, of_rule in found.items():
            means = {key: fmean(values) for key, values in of_rule.items()}
            speeds = [seconds / flops[rule][key] for key, seconds in means.items() if flops[rule][key]]
            scaled = {key: median(speeds) * value for key, value in flops[rule].items()} if speeds else {}
            self._seconds[rule] = scaled | means

    def _model(self, name: str) -> tuple[str, str]:
        run = self._settings[name]
        return run["task_name"], run["label"]

    def left(self, name: str) -> float | None:
        """Seconds until a run is trained and evaluated."""
        status, key = self._runs[name], self._model(name)
        if status.state not in TO_DO:
            return 0.0
        evaluation = self._seconds["evaluate"].get(key, 0.0)  # unknown until one has ended, and mostly short
        if status.trained_in is not None:
            return evaluation
        steps: int = self._settings[name]["training"]["steps"]
        if status.per_second:
            return (steps - status.step) / status.per_second + evaluation
        whole = self._seconds["train"].get(key)
        return None if whole is None else whole * (steps - status.step) / steps + evaluation


def _total(
    jobs: Iterable[Job], runs: Mapping[str, RunStatus], left: Mapping[str, float | None]
) -> tuple[float | None, int]:
    """Seconds until the last job ends, and the number of jobs that are at work."""
    running, waiting = [], []
    for job in jobs:
        to_do = [name for name in job.runs if runs[name].state in TO_DO]
        seconds = [left[name] for name in to_do]
        if None in seconds:
            return None, sum(_is_active(job, runs) for job in jobs)
        known = sum(value for value in seconds if value is not None)
        if _is_active(job, runs):
            running.append(known)
        elif to_do:
            waiting.append(known + 2 * START)
    return makespan(waiting, max(1, len(running)), running), len(running)


def _is_active(job: Job, runs: Mapping[str, RunStatus]) -> bool:
    return any(runs[name].state in ACTIVE for name in job.runs)
