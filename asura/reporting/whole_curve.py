"""Tables of what a study asks beside final scores: steps to a score, sufficient iterations, the gap to training."""

import math
from collections.abc import Iterable
from statistics import median

import pandas as pd

from asura.common.metrics import LESS_IS_BETTER
from asura.reporting.comparing import Comparing, with_interval
from asura.reporting.frames import HEADLINE_SPLIT, TRAINING, Results, in_primary_metric, primary_scores
from asura.reporting.statistics import mean_interval, paired_difference

LEVELS = (0.5, 0.95)
"""Scores in the primary metric, of which the most is 1."""


def steps(results: Results) -> pd.DataFrame:
    """After how many steps each model reaches a score on each split, by the snapshots of its training."""
    columns = ["task", "model", "split", "metric", "seeds"]
    columns += [f"{name}_{level:.0%}".rstrip("%") for level in LEVELS for name in ("steps_to", "by_seed", "reached")]
    scores, rows = _rising(results.snapshots, results), []
    for (task, label, split), here in scores.groupby(["task", "label", "split"], sort=False):
        row = {"task": task, "model": label, "split": split, "metric": here["metric"].iloc[0]}
        row["seeds"] = seeds = _seeds(results, task, label)
        for level in LEVELS:
            first = [_first(of_seed, "step", level) for _, of_seed in here.groupby("seed")]
            row |= _smallest(f"_{level:.0%}".rstrip("%"), "steps_to", first, seeds)
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def difficulty(results: Results) -> pd.DataFrame:
    """The smallest number of iterations at which each model reaches 95 % at each difficulty."""
    columns = ["task", "model", "setting", "difficulty", "trained", "metric", "score", "seeds"]
    columns += ["iterations_to_95", "by_seed_95", "reached_95"]
    scores, rows = _rising(results.sweep, results), []
    about = ["task", "label", "setting", "difficulty"]
    for (task, label, setting, value), here in scores.groupby(about, sort=False):
        row = {"task": task, "model": label, "setting": setting, "difficulty": value}
        row |= {"trained": here["trained"].iloc[0], "metric": here["metric"].iloc[0]}
        row["score"] = here.loc[here["iterations"] == here["i"], "value"].mean()
        row["seeds"] = seeds = _seeds(results, task, label)
        first = [_first(of_seed, "iterations", LEVELS[-1]) for _, of_seed in here.groupby("seed")]
        rows.append(row | _smallest("_95", "iterations_to", first, seeds))
    return pd.DataFrame(rows, columns=columns)


def gap(results: Results) -> pd.DataFrame:
    """The score on the examples of training and on new ones, of models that are trained on a fixed set."""
    columns = ["task", "model", "examples", "metric"]
    columns += [f"{name}{end}" for name in ("training", "test", "gap") for end in ("", "_low", "_high")]
    scores, comparing, rows = as_trained(results), Comparing(results), []
    models = results.runs.dropna(subset="examples").drop_duplicates(["task", "label"])
    for model in models.itertuples():
        own = scores[(scores["task"] == model.task) & (scores["label"] == model.label)].set_index("seed")
        on, test = (own[own["split"] == split] for split in (TRAINING, HEADLINE_SPLIT))
        scale, errors = comparing.scale(model.task), [each["standard_error"].mean() for each in (on, test)]
        row = {"task": model.task, "model": model.label, "examples": int(model.examples), "metric": model.metric}
        row |= with_interval("training", training_mean(on, comparing))
        row |= with_interval("test", tuple(comparing.mean(model.task, model.label).values()))
        difference = paired_difference(on["value"], test["value"], scale, math.hypot(*errors))
        rows.append(row | with_interval("gap", difference))
    return pd.DataFrame(rows, columns=columns)


def as_trained(results: Results) -> pd.DataFrame:
    """Scores in the primary metrics at the trained number of iterations."""
    scores = primary_scores(results)
    return scores[scores["iterations"] == scores["i"]]


def training_mean(scores: pd.DataFrame, comparing: Comparing) -> tuple[float, ...]:
    """The mean score of a model on examples of its training, with its interval, from a row for each seed."""
    if scores.empty:
        return math.nan, math.nan, math.nan
    scale = comparing.scale(scores["task"].iloc[0])
    return mean_interval(scores["value"], scale, scores["standard_error"].mean())


def _rising(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Scores in the primary metrics of which more is better, in the order of the study."""
    scores = in_primary_metric(frame, results)
    return scores[~scores["metric"].isin(LESS_IS_BETTER)].sort_values(["order", "label"], kind="stable")


def _seeds(results: Results, task: str, label: str) -> int:
    return int(((results.runs["task"] == task) & (results.runs["label"] == label)).sum())


def _first(scores: pd.DataFrame, what: str, level: float) -> float:
    """The first step, or number of iterations, at which one seed has a score; infinity if it never has."""
    return float(scores.loc[scores["value"] >= level, what].min()) if (scores["value"] >= level).any() else math.inf


def _smallest(end: str, name: str, found: Iterable[float], seeds: int) -> dict[str, object]:
    """The median over all seeds, of which those that failed never get there; each seed; and how many get there."""
    each = list(found)
    every = median([*each, *[math.inf] * (seeds - len(each))])
    shown = " ".join("–" if math.isinf(value) else f"{value:.0f}" for value in each)
    reached = sum(not math.isinf(value) for value in each)
    return {f"{name}{end}": None if math.isinf(every) else every, f"by_seed{end}": shown, f"reached{end}": reached}
