"""Figures of the headline score: against iterations, parameters and training FLOPs."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asura.reporting.comparing import scale_on
from asura.reporting.figures.legends import SEEDS, chance_handles, failure_handles, handles_of, legend, line_handles
from asura.reporting.figures.style import (
    LINE_STYLES,
    MOST_WIDTH,
    NOT_SCORED,
    NUMBERED,
    PANEL_WIDTH,
    SIZE,
    Style,
    draw_failures,
    draw_means,
    empty_figure,
    hide,
    label_outer,
    log_axis,
    numbered_marker,
    panels,
    score_axis,
    styled,
    styles,
    wrapped,
)
from asura.reporting.frames import (
    NOT_RECURSIVE,
    Results,
    failures_by_model,
    headline_by_model,
    members,
)


@styled
def score_against_iterations(results: Results) -> Figure:
    """Score against the trained number of iterations, for recursive models and the controls of their cells."""
    table = members(results)
    table = table[table["cell"].isin(table[~_is_reference(table)]["cell"])]
    trained = sorted(table["cell_i"].unique())
    beside = table.groupby(["task", "cell_n", "cell_i"])["label"]
    most = int(beside.size().max()) if len(table) else 0
    place = beside.cumcount() - (beside.transform("size") - 1) / 2
    table = table.assign(x=table["cell_i"].map(trained.index) + 0.85 * place / most)

    def decorate(axes: Axes) -> None:
        axes.set_xticks(range(len(trained)), [str(i) for i in trained])
        axes.set_xticks(np.arange(len(trained) - 1) + 0.5, minor=True)
        axes.tick_params(which="minor", length=0)
        axes.grid(axis="x", which="minor")
        axes.set_xlim(-0.5, len(trained) - 0.5)
        axes.set_xlabel("trained iterations $i$")

    width = min(MOST_WIDTH, max(PANEL_WIDTH, 0.16 * most * len(trained) + 0.5))
    return _score_panels(results, table, decorate, numbered=False, width=width)


@styled
def score_against_parameters(results: Results) -> Figure:
    """Score against non-embedding parameters."""
    return _score_against_cost(results, "parameters", "non-embedding parameters")


@styled
def score_against_flops(results: Results) -> Figure:
    """Score against total training FLOPs."""
    return _score_against_cost(results, "training_flops", "total training FLOPs")


def _score_against_cost(results: Results, cost: str, name: str) -> Figure:
    table = members(results)

    def decorate(axes: Axes) -> None:
        log_axis(axes, table[cost], name)
        axes.margins(x=0.1)

    return _score_panels(results, table.assign(x=table[cost]), decorate, numbered=True, width=3.2)


def _is_reference(table: pd.DataFrame) -> pd.Series:
    """Models of the study that are neither recursive nor controls."""
    return (table["label"] == table["cell"]) & (table["architecture"] == NOT_RECURSIVE)


def _score_panels(
    results: Results, table: pd.DataFrame, decorate: Callable[[Axes], None], numbered: bool, width: float
) -> Figure:
    """Score against the column `x`: tasks are rows, n of the cell columns, a reference is in every column."""
    scores, failed, look = headline_by_model(results), failures_by_model(results), styles(results)
    if not any(key in scores for key in zip(table["task"], table["label"], strict=True)):
        return empty_figure(NOT_SCORED)
    table = table.assign(reference=_is_reference(table))
    of_cells = table[~table["reference"]]
    families = list(of_cells["cell_family"].unique())
    line_styles = {family: LINE_STYLES[k % len(LINE_STYLES)] for k, family in enumerate(families)}
    tasks, columns = table["task"].unique(), sorted(of_cells["cell_n"].unique()) or [None]

    wraps = wrapped(columns, width)
    figure, grid = panels(len(wraps) * len(tasks), len(wraps[0]), width, sharey="row", sharex=True)
    for row, (columns_of_row, task) in zip(grid, product(wraps, tasks), strict=True):
        hide(row[len(columns_of_row) :])
        for axes, n in zip(row, columns_of_row, strict=False):
            here = table[(table["task"] == task) & (table["reference"] | (table["cell_n"] == n))]
            axes.set_visible(not here.empty)
            lines = [line for _, line in here.groupby(["cell_family", "series"], sort=False)]
            for line in reversed(lines):  # the cell itself over its controls
                family, series = line["cell_family"].iloc[0], line["series"].iloc[0]
                line = line.sort_values("x")
                points = [(m, scores[task, m.label]) for m in line.itertuples() if (task, m.label) in scores]
                samples = [(m.x, values.to_numpy()) for m, values in points]
                size = NUMBERED if numbered else SIZE
                draw_means(axes, samples, look[series], line_styles.get(family, "-"), size, scale_on(results, task))
                for member in line.itertuples():
                    draw_failures(axes, member.x, failed[task, member.label], look[series])
                if numbered:
                    _number(axes, points, look[series])
            decorate(axes)
            if n is not None and task == tasks[0]:
                axes.set_title(f"$n = {n}$")
        score_axis(row, results, task)
    label_outer(grid)
    drawn = {name: style for name, style in look.items() if name in set(table["series"])}
    lines = of_cells.groupby("cell_family")["cell_i"].nunique()
    cells = line_handles({f"{name} and controls": line_styles[name] for name in families if lines[name] > 1})
    legend(figure, [*handles_of(drawn), *cells, *chance_handles(results), SEEDS, *failure_handles(results)])
    return figure


def _number(axes: Axes, points: list[tuple[Any, pd.Series]], style: Style) -> None:
    for member, values in points:
        text = f"n{member.n}" if member.reference else str(member.cell_i)
        numbered_marker(axes, member.x, values.mean(), text, style)
