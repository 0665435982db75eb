"""The tables and figures of a tuning: what was tried for each model, what was chosen, and what it cost."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.common.metrics import LESS_IS_BETTER
from asura.planning.choices import best, trial_rows, tried_by, tuned_models
from asura.planning.outputs import TUNING
from asura.planning.plan import load
from asura.planning.tune_settings import Tune
from asura.reporting.collect import collect
from asura.reporting.figures.files import source_of, write_figure
from asura.reporting.figures.tuning import expected_best, scores_over_rates
from asura.reporting.tables import write_table

RATE = "learning_rate"


def trials(study: Path) -> pd.DataFrame:
    """Every trial on every seed: task, model, trial, the settings that it tried, scores, and whether it was chosen.

    Raises UserError where one has not been trained and evaluated.
    """
    plan = load(study / TUNING / "plan.json")
    models = {(model["task"], model["label"]): model for model in plan.models}
    rows = []
    for task, label in tuned_models(plan):
        tried = tried_by(plan, study, task, label)
        for trial, planned in zip(tried, trial_rows(plan, task, label), strict=True):
            model = models[task, trial.label]
            is_chosen = trial is best(tried, model["metric"])
            about = {"task": task, "model": label, "trial": trial.label, **planned["settings"]}
            for seed, validation in trial.validation.items():
                scores = {"validation": validation, "test": trial.test[seed]}
                cost = {"metric": model["metric"], "training_flops": model["training_flops"], "chosen": is_chosen}
                rows.append(about | {"seed": seed} | scores | cost)
    return pd.DataFrame(rows)


def choices(tried: pd.DataFrame, tune: Tune) -> pd.DataFrame:
    """One row for each model: its trials, what was chosen, the score of that, and what tuning cost.

    `at the edge` names what was chosen at the end of what was tried. `loss within 2×` is how much worse the worst
    trial is, on the validation split, whose rate is within a factor of two of the chosen one and the rest equal.
    """
    rows = []
    for (task, label), own in tried.groupby(["task", "model"], sort=False):
        scores = own.groupby("trial", sort=False).agg(
            {**dict.fromkeys(tune.over, "first"), "validation": "mean", "test": "mean", "chosen": "first"}
        )
        chosen = scores[scores["chosen"]].iloc[0]
        row: dict[str, Any] = {"task": task, "model": label, "metric": own["metric"].iloc[0], "trials": len(scores)}
        row |= {f"chosen: {key}": chosen[key] for key in tune.over}
        edge = [key for key in tune.over if tune.is_at_edge(key, chosen[key])]
        row |= {"at the edge": ", ".join(edge) or None}
        row |= {"validation": chosen["validation"], "test": chosen["test"]}
        row |= {"loss within 2×": _loss_nearby(scores, chosen, tune, row["metric"])}
        row |= {"training_flops": own["training_flops"].sum()}
        rows.append(row)
    return pd.DataFrame(rows)


def _loss_nearby(scores: pd.DataFrame, chosen: pd.Series, tune: Tune, metric: str) -> float:
    """See `choices`; nan where no other rate was tried there with the rest equal, as it never is with two ranges."""
    if RATE not in tune.over:
        return float("nan")
    near = scores[scores[RATE].between(chosen[RATE] / 2.001, chosen[RATE] * 2.001) & ~scores["chosen"]]
    for key in set(tune.over) - {RATE}:
        near = near[near[key].map(str) == str(chosen[key])]
    sign = -1 if metric in LESS_IS_BETTER else 1
    return float((sign * (chosen["validation"] - near["validation"])).max())


def write_tuning(study: Path, folder: Path, name: str) -> None:
    """Write the tables and figures of the tuning of a study. Raises UserError, OSError."""
    config = read_json(study / "study.json")
    if "tune" not in config:
        raise UserError(f"{study}: its study is not tuned; say what is tried under `tune`")
    tune = Tune.model_validate(config["tune"])
    tried = trials(study)
    for key in tune.over:
        if not pd.api.types.is_numeric_dtype(tried[key]):
            tried[key] = tried[key].map(json.dumps)
    write_table(choices(tried, tune), folder / "table", None)
    write_table(tried, folder / "trials", None)
    of_trials = collect(study, partial=True, plan_folder=study / TUNING)
    # The models as the study compares them, with chance and shortcuts of the trials: final runs may not have ended.
    results = collect(study, partial=True)._replace(scores=of_trials.scores)
    source = source_of(of_trials, name)
    write_figure(scores_over_rates(results, tried, tune), folder / "rates", source)
    write_figure(expected_best(results, tried), folder / "budget", source)
