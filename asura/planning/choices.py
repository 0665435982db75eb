"""What the trials of a model came to, and which of them is chosen for its final runs."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from asura.common.errors import UserError
from asura.common.files import SEAL, read_sealed, write_sealed
from asura.common.metrics import LESS_IS_BETTER
from asura.planning.jobs import Job
from asura.planning.outputs import TUNING, choice_file
from asura.planning.plan import Plan, load
from asura.planning.run_folder import RunFolder
from asura.planning.standing import Standing
from asura.planning.tune_settings import Tune

VALIDATION = "validation"
"""The split on which settings are chosen."""


class Tried(NamedTuple):
    """What a trial came to on each of its seeds.

    validation, test: the primary metric, by seed; of a run that failed, the worst it can be.
    loss: mean loss of the last measurement on the validation split; nan where training does not measure it.
    seals: the checksum of the scores of each run, by its folder below the study's.
    """

    label: str
    settings: dict[str, Any]
    validation: dict[int, float]
    test: dict[int, float]
    loss: float
    seals: dict[str, str]

    @property
    def score(self) -> float:
        """Mean over seeds on the validation split."""
        return sum(self.validation.values()) / len(self.validation)


def choose(study: Path, task: str, label: str) -> dict[str, Any]:
    """Choose the settings of a model by its trials, and write them to its file; returns them. Raises UserError."""
    choice = choice_of(study, task, label)
    write_sealed(study / choice_file(task, label), choice)
    settings: dict[str, Any] = choice["settings"]
    return settings


def choice_of(study: Path, task: str, label: str) -> dict[str, Any]:
    """The settings that the trials of a model choose, and the checksums of their scores.

    Raises UserError where a trial has not been trained and evaluated.
    """
    plan = load(study / TUNING / "plan.json")
    tried = tried_by(plan, study, task, label)
    metric = next(model["metric"] for model in plan.models if model["task"] == task)
    chosen, made_of = best(tried, metric).settings, {run: seal for trial in tried for run, seal in trial.seals.items()}
    return {"settings": chosen, "made_of": made_of}


def best(tried: list[Tried], metric: str) -> Tried:
    """The trial with the best score on the validation split; of equal ones that with the least loss, or the first."""
    sign = -1 if metric in LESS_IS_BETTER else 1
    return max(tried, key=lambda trial: (sign * trial.score, -trial.loss if trial.loss == trial.loss else -math.inf))


def is_chosen(standing: Standing, task: str, label: str) -> bool:
    """Whether the choice of a model stands, and is made of its trials as they are, which is what `standing` is of."""
    seeds = {model["label"]: tuple(model["seeds"]) for model in standing.plan.models if model["task"] == task}
    trials = [trial["trial"] for trial in trial_rows(standing.plan, task, label)]
    runs = [run for trial in trials for run in Job(task, trial, seeds[trial]).runs]
    with suppress(UserError):
        made_of = read_sealed(standing.study / choice_file(task, label))["made_of"]
        states = {run: standing.state(run) for run in runs}
        # In their order, since the first of equal ones is chosen.
        is_of_them = [*made_of.items()] == [(run, state.seals[1]) for run, state in states.items()]
        return bool(is_of_them and all(state.is_done for state in states.values()))
    return False


def at_edges(study: Path, plan: Plan, tune: Tune) -> Iterator[str]:
    """A line for each choice of an earlier tuning at the end of what is tried, beyond which a better one may lie."""
    for task, label in tuned_models(plan):
        with suppress(UserError):
            chosen = read_sealed(study / choice_file(task, label))["settings"]
            edges = [f"{key} {chosen[key]}" for key in tune.over if key in chosen and tune.is_at_edge(key, chosen[key])]
            if edges:
                yield f"{label} on {task}: {' and '.join(edges)} was chosen at the edge of its range"


def tuned_models(plan: Plan) -> list[tuple[str, str]]:
    """Task and label of each model that has trials."""
    return list(dict.fromkeys((trial["task"], trial["label"]) for trial in plan.trials))


def trial_rows(plan: Plan, task: str, label: str) -> list[dict[str, Any]]:
    """The trials of a model."""
    return [trial for trial in plan.trials if (trial["task"], trial["label"]) == (task, label)]


def tried_by(plan: Plan, study: Path, task: str, label: str) -> list[Tried]:
    """What the trials of a model came to. Raises UserError."""
    models = {model["label"]: model for model in plan.models if model["task"] == task}
    found = []
    for trial in trial_rows(plan, task, label):
        model = models[trial["trial"]]
        scores: dict[str, dict[int, float]] = {VALIDATION: {}, "test": {}}
        losses, seals = [], {}
        job = Job(task, trial["trial"], tuple(model["seeds"]))
        for seed, run in zip(job.seeds, job.runs, strict=True):
            folder = RunFolder(study / run)
            evaluation = folder.read_evaluation()
            for split, by_seed in scores.items():
                by_seed[seed] = _score(evaluation["rows"], split, model)
            losses.append((folder.read_metrics() or [{}])[-1].get("validation_loss", math.nan))
            seals[run] = evaluation[SEAL]
        loss = sum(losses) / len(losses)
        found.append(Tried(job.label, trial["settings"], scores[VALIDATION], scores["test"], loss, seals))
    return found


def _score(rows: list[dict[str, Any]], split: str, model: Mapping[str, Any]) -> float:
    """The primary metric on a split at the trained iterations; of a run that failed, chance."""
    place = split, model["i"], model["metric"]
    found = [row["value"] for row in rows if (row["split"], row["iterations"], row["metric"]) == place]
    if found:
        return float(found[0])
    if model["chance"] is not None:
        return float(model["chance"])
    return math.inf if model["metric"] in LESS_IS_BETTER else 0.0
