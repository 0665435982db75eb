"""The tidy frames of a study, their columns declared once, and the three views that every report needs."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from asura.common.metrics import LESS_IS_BETTER
from asura.planning.choices import VALIDATION
from asura.planning.run_folder import FAILURES

CELL = "cell"  # role of a model that has controls
STUDY_MODEL = "study model"  # role of a model that the study lists and nothing is matched to
CONTROLS = [
    "iso_param",
    "iso_flop",
    "iso_both",
    "iso_param_depth",
    "iso_recursion",
]  # in the order of the documentation
HEADLINE_SPLIT = "test"
TRAINING = "training"  # examples of the fixed set that a run is trained on
HERE, OTHER_CODE = "here", "other"  # what made a run: the code that is here now, or not
CONVERGED = 0.95  # share of positions below which a model is said not to have found its fixed point
HIGH = 0.6  # a score from which on an axis reaches to 1

COLUMNS: dict[str, dict[str, str]] = {
    "runs": {
        "task": "str",
        "label": "str",
        "architecture": "str",
        "n": "int64",
        "i": "int64",
        "seed": "int64",
        "parameters": "int64",  # non-embedding
        "total_parameters": "int64",  # with embedding and head
        "flops_per_token": "float64",  # of training
        "inference_flops_per_token": "float64",
        "training_flops": "float64",
        "tokens": "int64",
        "effective_depth": "int64",
        "status": "str",  # finished, missing, or one of FAILURES
        "step": "int64",  # steps done; of a run that failed, the step it failed at, and 0 where it could not begin
        "metric": "str",  # the task's primary metric
        "chance": "float64",  # of that metric on the test split
        "solved": "float64",  # the score in that metric from which on a run has solved the task, where one is declared
        "order": "int64",  # of the models in the study
        "against": "str",  # in an ablation, the model that this one is compared with
        "code": "str",  # what made it: `here`, the code that is here now, or `other`
        "device": "str",
        "precision": "str",
        "commit": "str",  # of the last session of its training
        "examples": "float64",  # of the fixed set that it is trained on, if it is
        "every": "float64",  # steps between two snapshots that are evaluated, if they are
        "swept": "str",  # settings of the task over which it is evaluated, if it is
    },
    # A control that serves several cells has a row for each; deviation is a signed fraction of the target.
    "roles": {"task": "str", "label": "str", "control": "str", "control_of": "str", "deviation": "float64"},
    "scores": {
        "task": "str",
        "label": "str",
        "seed": "int64",
        "split": "str",
        "iterations": "int64",  # at evaluation
        "metric": "str",
        "chance": "float64",  # of that metric on that split; where it is the primary one, or a benchmark's floor
        "shortcut": "float64",  # the same of the best rule that does not solve the task
        "rule": "str",  # which rule that is
        "value": "float64",
        "standard_error": "float64",
        "examples": "int64",
    },
    # The questions of the study: row minus reference. The first is the primary one.
    "questions": {"task": "str", "label": "str", "reference": "str", "metric": "str", "margin": "float64"},
    # Over test examples, of a model's mean over seeds or, with a reference, of the difference from that.
    "test_errors": {
        "task": "str",
        "label": "str",
        "reference": "str",
        "metric": "str",
        "standard_error": "float64",
    },
    "curves": {
        "task": "str",
        "label": "str",
        "seed": "int64",
        "step": "int64",
        "tokens": "int64",
        "loss": "float64",
        "accuracy": "float64",
        "validation_loss": "float64",  # where training measures it
        "validation_accuracy": "float64",
        "validation_exact_match": "float64",
    },
    # At the trained number of iterations; the last of a run are its final scores.
    "snapshots": {
        "task": "str",
        "label": "str",
        "seed": "int64",
        "step": "int64",
        "split": "str",
        "metric": "str",
        "value": "float64",
        "standard_error": "float64",
        "examples": "int64",
    },
    "sweep": {
        "task": "str",
        "label": "str",
        "seed": "int64",
        "setting": "str",
        "difficulty": "int64",  # its value
        "trained": "int64",  # its value in training
        "iterations": "int64",  # at evaluation
        "metric": "str",
        "value": "float64",
        "standard_error": "float64",
        "examples": "int64",
    },
    # Scores that others report, one row for each seed; no run is behind them.
    "external": {
        "task": "str",
        "label": "str",
        "split": "str",
        "metric": "str",
        "seed": "int64",  # its place among those of the row
        "value": "float64",
        "parameters": "float64",  # without embedding and head, where they are known
        "training_flops": "float64",  # where they are known
        "source": "str",
    },
    "resources": {
        "rule": "str",
        "task": "str",
        "label": "str",
        "seed": "int64",
        "seconds": "float64",
        "job_rss_mb": "float64",
        "cpu_seconds": "float64",
        "job_device_mb": "float64",
    },
}

COST = [
    "parameters",
    "total_parameters",
    "flops_per_token",
    "inference_flops_per_token",
    "training_flops",
    "tokens",
    "effective_depth",
]


class Results(NamedTuple):
    """Everything that a study measured; tables and figures are functions of this and nothing else."""

    runs: pd.DataFrame
    roles: pd.DataFrame
    scores: pd.DataFrame
    questions: pd.DataFrame
    test_errors: pd.DataFrame
    curves: pd.DataFrame
    snapshots: pd.DataFrame
    sweep: pd.DataFrame
    external: pd.DataFrame
    resources: pd.DataFrame


def tidy(name: str, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The frame `name` of `Results` with its declared columns and types, also when there are no rows."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS[name])).astype(COLUMNS[name])


def family(label: str) -> str:
    """The label without n and i: `asura-n1-i4+long_skip=none` is of the family `asura+long_skip=none`."""
    return re.sub(r"-n\d+(-i\d+)?(?=\+|$)", "", label, count=1)


def whatever_examples(label: str) -> str:
    """The label without the number of examples: what is common to models that differ in their training set alone."""
    return re.sub(r"\+examples=[^+]*", "", label)


def primary_scores(results: Results) -> pd.DataFrame:
    """Scores in each task's primary metric, with the n, i and architecture of the run."""
    return in_primary_metric(results.scores, results)


def in_primary_metric(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """The rows of any frame of scores, as `primary_scores` has them."""
    run = results.runs[["task", "label", "seed", "metric", "architecture", "n", "i", "order"]]
    return frame.merge(run, on=["task", "label", "seed", "metric"]).dropna(subset="value")


def without_benchmarks(runs: pd.DataFrame) -> pd.DataFrame:
    """Each run once, without its rows for the benchmarks on which it is also evaluated."""
    return runs[~runs["task"].str.contains("/")]


def splits_of(scores: pd.DataFrame, task: str) -> list[str]:
    """The splits on which a task has scores, the headline's first; less the one on which settings are chosen."""
    splits = set(scores.loc[scores["task"] == task, "split"]) - {VALIDATION}
    return sorted(splits, key=lambda split: (split != HEADLINE_SPLIT, split))


def headline(results: Results) -> pd.DataFrame:
    """One row for each scored run: the test split at the trained number of iterations."""
    scores = primary_scores(results)
    return scores[(scores["split"] == HEADLINE_SPLIT) & (scores["iterations"] == scores["i"])]


def score_range(results: Results, task: str) -> tuple[float, float]:
    """The ends of a task's axis, worst first: the least of scores, chance and shortcuts, and 1 or, where all are low,
    the most.

    Where less is better, the highest score on the test split and the lowest.
    """
    run = results.runs[results.runs["task"] == task].iloc[0]
    scores = results.scores[(results.scores["task"] == task) & (results.scores["metric"] == run["metric"])]
    if run["metric"] in LESS_IS_BETTER:
        on_test = scores.loc[scores["split"] == HEADLINE_SPLIT, "value"]
        return on_test.max(), on_test.min()
    shown = pd.concat([scores["value"], scores["chance"], scores["shortcut"], pd.Series([run["chance"]])]).dropna()
    return shown.min(), 1.0 if scores.empty or shown.max() > HIGH else shown.max()


def failures_by_model(results: Results) -> dict[tuple[str, str], dict[str, int]]:
    """(task, label) to the number of its runs that failed, by failure: divergence, and others that occur anywhere."""
    status = results.runs["status"]
    told = [failure for failure in FAILURES if failure == "diverged" or (status == failure).any()]
    failed = pd.DataFrame({failure: status == failure for failure in told})
    counts = failed.groupby([results.runs["task"], results.runs["label"]]).sum()
    return dict(zip(counts.index, counts.to_dict("records"), strict=True))


def remarks(results: Results) -> str | None:
    """What a reader must know of the runs: made by other code or in several ways, one seed, no fixed point; or None."""
    runs, said = without_benchmarks(results.runs), []
    if other := int((runs["code"] == OTHER_CODE).sum()):
        said.append(f"{other} of {len(runs)} runs were made by other code than the rest; the table of runs names them.")
    for task, group in runs.dropna(subset=["device", "precision"]).groupby("task", sort=False):
        ways = sorted((group["device"] + " in " + group["precision"]).unique())
        if len(ways) > 1:
            said.append(f"Runs of {task} were trained on {' and on '.join(ways)}.")
    seeds = runs.groupby(["task", "label"])["seed"].nunique()
    if single := int((seeds == 1).sum()):
        said.append(f"{single} of {len(seeds)} models have one seed, and therefore no interval.")
    if unsolved := _unsolved(results):
        said.append(f"The solver found too few fixed points (share of positions) for {unsolved}.")
    return " ".join(said) or None


def _unsolved(results: Results) -> str:
    """Models of which less than CONVERGED of the positions converge, on the test split as trained."""
    scores = results.scores[results.scores["metric"] == "converged"]
    scores = scores.merge(results.runs[["task", "label", "seed", "i"]], on=["task", "label", "seed"])
    scores = scores[(scores["split"] == HEADLINE_SPLIT) & (scores["iterations"] == scores["i"])]
    shares = scores.groupby(["task", "label"], sort=False)["value"].mean()
    return ", ".join(f"{label} on {task} ({share:.0%})" for (task, label), share in shares.items() if share < CONVERGED)


def members(results: Results) -> pd.DataFrame:
    """One row for each cell, followed by one for each of its controls; a shared control appears in each.

    `series` is what a figure draws as one thing: the control's name, or the family of a cell.
    """
    per_model = ["architecture", "n", "i", *COST, "metric", "chance", "order"]
    models = results.runs.groupby(["task", "label"], sort=False)[per_model].first().reset_index()
    roles = results.roles.rename(columns={"control": "role", "control_of": "cell"})

    model = models.set_index(["task", "label"]).index
    is_control = model.isin(roles.set_index(["task", "label"]).index)
    has_controls = model.isin(roles.set_index(["task", "cell"]).index)  # and may itself be a control of another
    own = models.assign(cell=models["label"], series=models["label"].map(family))
    own["role"] = np.where(has_controls, CELL, STUDY_MODEL)
    own = own[has_controls | ~is_control]

    controls = models.merge(roles.drop(columns="deviation"), on=["task", "label"])
    controls["series"] = controls["role"]
    cells = models[["task", "label", "n", "i", "order"]].rename(
        columns={"label": "cell", "n": "cell_n", "i": "cell_i", "order": "cell_order"}
    )
    both = pd.concat([own, controls], ignore_index=True).merge(cells, on=["task", "cell"])
    both["cell_family"] = both["cell"].map(family)

    tasks = {task: place for place, task in enumerate(results.runs["task"].unique())}
    roles_in_order = {role: place for place, role in enumerate([CELL, STUDY_MODEL, *CONTROLS])}
    places = both.assign(task=both["task"].map(tasks), place=both["role"].map(roles_in_order))
    order = places.sort_values(["task", "cell_order", "cell", "place", "role", "label"]).index
    return both.loc[order].reset_index(drop=True)
