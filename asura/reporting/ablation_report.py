"""The tables and the figures of an ablation: every model against the one that it is compared with."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from asura.reporting.comparing import NO_DIFFERENCE, Comparing, scale_on
from asura.reporting.figures.curves import iterations_at_evaluation
from asura.reporting.figures.style import (
    chance_on,
    empty_figure,
    hide,
    metric_name,
    padded,
    panels,
    plain,
    styled,
    write_figure,
)
from asura.reporting.frames import (
    COST,
    LESS_IS_BETTER,
    Results,
    failures_by_model,
    family,
    primary_scores,
    remarks,
    score_range,
    splits_of,
)
from asura.reporting.statistics import mean_interval
from asura.reporting.tables import metrics, write_table


def ablation_table(results: Results) -> pd.DataFrame:
    """One row for each model: its score over seeds, and its difference from its reference paired by seed.

    Of each task, models without a reference stand first, the others follow by their effect, the best first.
    """
    comparing, failed = Comparing(results), failures_by_model(results)
    rows = []
    for task, models in _models(results).groupby("task", sort=False):
        of_task = []
        for model in models.itertuples():
            row = {"task": task, "model": family(model.label)}
            row |= {"role": "reference" if model.label in {*models["against"]} else None}
            row |= comparing.summary(task, model.label) | failed[task, model.label]
            row |= {"reference": None if pd.isna(model.against) else family(model.against)}
            has_reference = not pd.isna(model.against)
            row |= comparing.difference(task, model.label, model.against) if has_reference else NO_DIFFERENCE
            of_task.append(row | {name: getattr(model, name) for name in [*COST, "chance"]})
        sign = 1 if comparing.metric(task) in LESS_IS_BETTER else -1
        rows += sorted(of_task, key=lambda row: _effect(row, sign))
    return pd.DataFrame(rows)


def _effect(row: dict[str, Any], sign: int) -> tuple[bool, bool, float]:
    """Where a row stands: those without a reference, then by the difference, then those that cannot be compared."""
    unknown = bool(pd.isna(row["difference"]))
    return row["reference"] is not None, unknown, 0.0 if unknown else sign * row["difference"]


@styled
def ablation_figure(results: Results) -> Figure:
    """Score of each model, with its interval and every seed, on every split at the trained number of iterations."""
    scores = primary_scores(results)
    scores = scores[scores["iterations"] == scores["i"]]
    if scores.empty:
        return empty_figure("No finished run has a score to draw here.")
    models = _models(results)
    tasks = list(models["task"].unique())
    columns = max(len(splits_of(scores, task)) for task in tasks)
    most = int(models.groupby("task").size().max())
    lines = 1 + models["label"].str.count(r"\+").max()
    figure, grid = panels(len(tasks), columns, 2.6, max(0.3, 0.17 * lines) * most + 0.6, sharex="row", sharey="row")
    for row, task in zip(grid, tasks, strict=True):
        labels = list(models.loc[models["task"] == task, "label"])
        splits = splits_of(scores, task)
        hide(row[len(splits) :])
        for axes, split in zip(row, splits, strict=False):
            here = scores[(scores["task"] == task) & (scores["split"] == split)]
            for place, label in enumerate(labels):
                values = here.loc[here["label"] == label, "value"]
                mean, low, high, _ = mean_interval(values, scale_on(results, task, split))
                axes.plot(values, [place] * len(values), "o", color="C0", alpha=0.4, markersize=3, gid="seeds")
                axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="|", color="black", gid="mean")
            axes.set_yticks(range(len(labels)), [plain(family(label)) for label in labels])
            axes.axvline(chance_on(results, task, split), color="0.35", linestyle=":", linewidth=1)
            axes.set_title(plain(split))
            axes.grid(axis="x", color="0.9")
            axes.set_xlim(*padded(score_range(results, task)))
            axes.set_xlabel(metric_name(models.loc[models["task"] == task, "metric"].iloc[0]))
        row[0].invert_yaxis()
        row[0].set_ylabel(plain(task))
    return figure


def write_ablation(results: Results, folder: Path, note: str | None = None) -> None:
    """Write the tables, the figure, and the scores over iterations at evaluation, `note` above each. Raises OSError."""
    above = " ".join(filter(None, [note, remarks(results)])) or None
    write_table(ablation_table(results), folder / "table", above)
    write_table(metrics(results), folder / "metrics", above)
    write_figure(ablation_figure(results), folder / "figure", note)
    write_figure(iterations_at_evaluation(results), folder / "iterations", note)


def _models(results: Results) -> pd.DataFrame:
    """One row for each model of each task, in the order of the ablation."""
    columns = ["task", "label", "order", "against", *COST, "chance", "metric"]
    return results.runs.drop_duplicates(["task", "label"]).sort_values("order", kind="stable")[columns]
