"""Figures of one model over time: over iterations at evaluation, and over training."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asura.reporting.comparing import scale_on
from asura.reporting.figures.legends import SEEDS, chance_handles, failure_handles, handles_of, legend
from asura.reporting.figures.style import (
    FAILURE_MARKS,
    NOT_SCORED,
    Style,
    draw_chance,
    empty_figure,
    hide,
    label_outer,
    log_axis,
    numbered_marker,
    panels,
    plain,
    say_what_is_left_out,
    score_axis,
    some,
    styled,
    styles,
    wrapped,
)
from asura.reporting.frames import FAILURES, NOT_RECURSIVE, Results, members, primary_scores, splits_of
from asura.reporting.statistics import Scale, mean_interval

MOST_BANDS = 4
"""Models of one panel whose intervals are drawn; those of more would hide one another."""


@styled
def iterations_at_evaluation(results: Results) -> Figure:
    """Score against iterations at evaluation, for every split; a row for each task and n."""
    scores = primary_scores(results)
    scores = scores[scores["architecture"] != NOT_RECURSIVE]
    if scores.empty:
        return empty_figure(NOT_SCORED)
    series_of = members(results).drop_duplicates(["task", "label"]).set_index(["task", "label"])["series"]
    look = styles(results)
    tasks = [task for task in results.runs["task"].unique() if task in set(scores["task"])]
    rows = [(task, n) for task in tasks for n in sorted(scores[scores["task"] == task]["n"].unique())]
    columns = max(len(splits_of(scores, task)) for task in tasks)
    every_model = scores.sort_values("order", kind="stable").drop_duplicates(["task", "label"])
    models_of_rows = every_model.groupby(["task", "n"])["label"].apply(list)
    some_models = [(task, label) for (task, _), labels in models_of_rows.items() for label in some(labels)]
    if len(some_models) < len(every_model):
        scores = scores[scores.set_index(["task", "label"]).index.isin(some_models)]

    figure, grid = panels(len(rows), columns, sharex=True, sharey="row")
    drawn = set()
    for row, (task, n) in zip(grid, rows, strict=True):
        here = scores[(scores["task"] == task) & (scores["n"] == n)]
        splits = splits_of(scores, task)
        hide(row[len(splits) :])
        for axes, split in zip(row, splits, strict=False):
            models = here[here["split"] == split].groupby(["order", "label", "i"])
            banded = len(models) <= MOST_BANDS
            for (_, label, i), model in reversed(list(models)):  # the cells over their controls
                series = series_of[task, label]
                drawn.add(series)
                _line(axes, model, look[series], i, banded, scale_on(results, task, split))
            if n == min(own for other, own in rows if other == task):
                axes.set_title(plain(split))
            axes.set_xlabel("iterations at evaluation")
            axes.xaxis.get_major_locator().set_params(integer=True)
        score_axis(row, results, task, splits)
        row[0].set_ylabel(f"{row[0].get_ylabel()}, $n = {n}$")
    label_outer(grid)
    say_what_is_left_out(figure, some_models, every_model.index, "models")
    legend(figure, [*handles_of({name: look[name] for name in look if name in drawn}), *chance_handles(results), SEEDS])
    return figure


def _line(axes: Axes, model: pd.DataFrame, style: Style, trained: int, banded: bool, scale: Scale) -> None:
    intervals = model.groupby("iterations")["value"].apply(lambda values: mean_interval(values, scale))
    x, colour = intervals.index, style.colour
    axes.plot(x, [interval.mean for interval in intervals], color=colour, linewidth=1.2, gid="mean")
    low, high = [interval.low for interval in intervals], [interval.high for interval in intervals]
    if banded:
        axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
    axes.plot(model["iterations"], model["value"], ".", color=colour, alpha=0.5, markersize=3, gid="seeds")
    if trained in x:
        numbered_marker(axes, trained, intervals[trained].mean, str(trained), style)


@styled
def learning_curves(results: Results) -> Figure:
    """Loss and accuracy against training tokens, each cell with its controls."""
    curves = results.curves.replace([np.inf, -np.inf], np.nan)
    tasks = [task for task in results.runs["task"].unique() if task in set(curves["task"])]
    rows = [
        (task, quantity)
        for task in tasks
        for quantity in ("loss", "accuracy")
        if curves.loc[curves["task"] == task, quantity].notna().any()
    ]
    if not rows:
        return empty_figure("No learning curve has been recorded.")
    table, look = members(results), styles(results)
    table = table[table["label"].isin(curves["label"])]
    key = ["task", "label", "seed"]
    curves = curves.merge(results.runs[[*key, "status"]], on=key)
    every_cell = list(table["cell"].unique())
    cells = some(every_cell)
    table = table[table["cell"].isin(cells)]

    wraps = wrapped(cells)
    titles = [plain(cell) for cell in cells]
    figure, grid = panels(len(wraps) * len(rows), len(wraps[0]), titles=titles, sharey="row", sharex="col")
    for row, (cells_of_row, (task, quantity)) in zip(grid, product(wraps, rows), strict=True):
        run = results.runs[results.runs["task"] == task].iloc[0]
        hide(row[len(cells_of_row) :])
        for axes, cell in zip(row, cells_of_row, strict=False):
            here = table[(table["task"] == task) & (table["cell"] == cell)]
            axes.set_visible(not here.empty)
            for member in here[::-1].itertuples():  # the cell itself over its controls
                curve = curves[(curves["task"] == task) & (curves["label"] == member.label)]
                _mean_over_seeds(axes, curve.dropna(subset=quantity), quantity, look[member.series])
            log_axis(axes, curves["tokens"], "training tokens")
            if (task, quantity) == rows[0]:
                axes.set_title(plain(cell))
            if quantity == run["metric"]:
                draw_chance(axes, run["chance"])
        row[0].set_ylabel(f"{plain(task)}\n{quantity}")
    for first in range(len(rows)):
        _same_limits(grid[first :: len(rows), 0])
    label_outer(grid)
    say_what_is_left_out(figure, cells, every_cell, "models")
    drawn = {name: style for name, style in look.items() if name in set(table["series"])}
    legend(figure, [*handles_of(drawn), *chance_handles(results), *failure_handles(results)])
    return figure


def _same_limits(rows: np.ndarray) -> None:
    """Let rows that show the same quantity reach as far as each other, given the first panel of each."""
    if len(rows) > 1:
        lows, highs = zip(*(axes.get_ylim() for axes in rows), strict=True)
        for axes in rows:
            axes.set_ylim(min(lows), max(highs))


def _mean_over_seeds(axes: Axes, curve: pd.DataFrame, quantity: str, style: Style) -> None:
    """Mean of the seeds that have not failed in a band from lowest to highest; one that has ends in its mark."""
    colour = style.colour
    failed = curve["status"].isin(FAILURES)
    seeds = curve[~failed].groupby("tokens")[quantity].agg(["mean", "min", "max"])
    axes.plot(seeds.index, seeds["mean"], color=colour, linewidth=1.2, gid="mean")
    axes.fill_between(seeds.index, seeds["min"], seeds["max"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(seeds.index[-1:], seeds["mean"][-1:], style.marker, color=colour, markeredgecolor="white")
    for _, seed in curve[failed].groupby("seed"):
        axes.plot(seed["tokens"], seed[quantity], color=colour, linewidth=0.6, alpha=0.6)
        mark = FAILURE_MARKS[seed["status"].iloc[-1]]
        axes.plot(seed["tokens"].iloc[-1], seed[quantity].iloc[-1], mark, color=colour, markersize=5)
