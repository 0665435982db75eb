"""The tables and the figures of an ablation: every model against the one that it is compared with."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

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
    Results,
    failures_by_model,
    family,
    headline_by_model,
    primary_scores,
    remarks,
    score_range,
    splits_of,
)
from asura.reporting.statistics import mean_interval
from asura.reporting.tables import metrics, with_difference, with_interval, write_table


def ablation_table(results: Results) -> pd.DataFrame:
    """One row for each model: its score over seeds, and the difference from another model paired by seed."""
    scores, failed = headline_by_model(results), failures_by_model(results)
    none = pd.Series(dtype=float)
    rows = []
    for _, models in _models(results).groupby("task", sort=False):
        for model in models.itertuples():
            own = scores.get((model.task, model.label), none)
            row = {"task": model.task, "model": family(model.label), **with_interval("score", mean_interval(own))}
            row |= {"seeds": own.size, **failed[model.task, model.label]}
            row |= {"against": model.against if pd.isna(model.against) else family(model.against)}
            row |= with_difference(own, scores.get((model.task, model.against), none))
            rows.append(row | {name: getattr(model, name) for name in [*COST, "chance"]})
    return pd.DataFrame(rows)


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
                mean, low, high, _ = mean_interval(values)
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
