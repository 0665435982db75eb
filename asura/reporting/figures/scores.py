"""Figures of the headline score of a task: against iterations, parameters and training FLOPs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from asura.planning.outputs import NOT_RECURSIVE
from asura.reporting.comparing import Comparing
from asura.reporting.figures import marks
from asura.reporting.figures.palette import INK, LINES, styles
from asura.reporting.figures.reported import draw_reported, reported_handles, reported_numbers
from asura.reporting.figures.style import (
    INTERVAL_BAR,
    NOT_SCORED,
    SEED,
    WIDTH,
    Drawn,
    failure_handles,
    handles_of,
    legend,
    log_axis,
    nothing,
    panels,
    styled,
)
from asura.reporting.frames import CELL, Results, headline, members
from asura.reporting.names import metric_name, model_name, series_name

ABOUT = ["panel", "cell", "series", "model"]
HEIGHT = 1.9  # inches, of a panel
DRAWN_ON = 55  # points of an inch of a panel, about, that the data are drawn on
MOST_SHIFTED = 12  # points
GROUP_WIDTH = 0.7
"""Of a value on an axis of categories: what its models share between them."""


@styled
def score_against_iterations(results: Results, task: str) -> Drawn:
    """Score against the trained iterations, for recursive models and the controls of their cells."""
    table = _members(results, task)
    table = table[~table["reference"]]
    trained = sorted(table["cell_i"].unique())
    orders = {panel: list(dict.fromkeys(_line(of_panel))) for panel, of_panel in table.groupby("panel")}

    def place(rows: pd.DataFrame) -> Any:
        """Models of the same iterations stand beside each other, around the tick of their value."""
        lines = zip(rows["panel"].map(orders), _line(rows), strict=True)
        offsets = [((order.index(line) + 0.5) / len(order) - 0.5) * GROUP_WIDTH for order, line in lines]
        return rows["iterations"].map(trained.index).to_numpy() + np.array(offsets)

    def decorate(axes: Axes) -> None:
        axes.set_xticks(range(len(trained)), [str(i) for i in trained])
        for shaded in range(0, len(trained) - 1, 2):
            axes.axvspan(shaded - 0.5, shaded + 0.5, color="0.95", linewidth=0, zorder=-1)
        axes.set_xlim(-0.5, len(trained) - 0.5)

    numbers = _numbers(results, table.assign(x=table["cell_i"]), "iterations")
    return _draw(results, task, table, numbers, place, decorate, ("iterations", "iterations in training $i$"))


def _line(rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What the line of a model joins: a series around the cells of a family."""
    return zip(rows["family"], rows["series"], strict=True)


@styled
def score_against_parameters(results: Results, task: str) -> Drawn:
    """Score against non-embedding parameters."""
    return _against_cost(results, task, "parameters", "parameters without embedding")


@styled
def score_against_flops(results: Results, task: str) -> Drawn:
    """Score against total training FLOPs."""
    return _against_cost(results, task, "training_flops", "training FLOPs in total")


def _against_cost(results: Results, task: str, cost: str, name: str) -> Drawn:
    table = _members(results, task)
    table = table[table[cost] > 0]  # of a model of other code it may not be known
    columns = max(1, table.loc[~table["reference"], "panel"].nunique())
    values = pd.concat([table[cost], reported_numbers(results, task, cost)[cost].dropna().astype(float)])

    def decorate(axes: Axes) -> None:
        log_axis(axes, values, 6 // min(columns, 3))
        room = max(1.1, (values.max() / values.min()) ** 0.12)
        axes.set_xlim(values.min() / room, values.max() * room)

    numbers = _numbers(results, table.assign(x=table[cost]), cost)
    return _draw(results, task, table, numbers, lambda rows: rows[cost].to_numpy(), decorate, (cost, name), True)


def _members(results: Results, task: str) -> pd.DataFrame:
    """The models of a task with the panel of each, and whether it is a `reference`: neither recursive nor a control.

    There is a panel for each n. Where several families have controls, whose names are the same, families have panels
    of their own.
    """
    table = members(results)
    table = table[table["task"] == task]
    panel = "n = " + table["cell_n"].astype(str)
    if table.loc[table["role"] == CELL, "cell_family"].nunique() > 1:
        panel = table["cell_family"].map(model_name) + ", " + panel
    reference = (table["label"] == table["cell"]) & table["architecture"].isin(NOT_RECURSIVE)
    return table.assign(panel=panel, family=table["cell_family"], reference=reference)


def _numbers(results: Results, table: pd.DataFrame, x: str) -> pd.DataFrame:
    """What is drawn: of each model in each panel its mean, its seeds and its failures, at the value of column `x`."""
    scores = dict(list(marks.with_folders(headline(results)).groupby(["task", "label"])))
    runs = dict(list(results.runs.groupby(["task", "label"])))
    comparing = Comparing(results)

    def rows() -> Iterator[marks.Row]:
        for member in table.itertuples():
            about = {"panel": member.panel, "cell": member.cell, "series": member.series}
            about |= {"model": member.label, "family": member.family, x: member.x}
            about["mark"] = f"n{member.n}" if member.reference else str(member.cell_i)
            key = member.task, member.label
            if key in scores:
                yield marks.mean_row(about, scores[key], comparing)
                yield from marks.seed_rows(about, scores[key].sort_values("seed"))
            yield from marks.failure_rows(about, runs[key])

    return marks.as_numbers(rows(), *ABOUT, "family", "mark", x)


def _shifts(here: pd.DataFrame, x: str, width: float) -> dict[tuple[str, str], float]:
    """Points by which lines are moved sideways, so that no marker hides another, in a panel `width` inches wide.

    Lines of which some markers would lie over each other are moved apart, around their place; the others stay.
    """
    means = here[here["shows"] == "mean"]
    across, up = np.log(means[x].astype(float)), means["value"]
    points = {
        "across": (across - across.min()) / (np.ptp(across) or 1) * width * DRAWN_ON,
        "up": (up - up.min()) / (np.ptp(up) or 1) * HEIGHT * DRAWN_ON,
    }
    apart: dict[tuple[str, str], set[tuple[str, str]]] = {}
    lines = means.assign(**points).groupby(["family", "series"], sort=False)
    for key, line in lines:
        close = [other for other, those in lines if other != key and _touch(line, those)]
        joined = {key}.union(*(apart.get(other, {other}) for other in close))
        apart |= dict.fromkeys(joined, joined)
    found = {}
    for key, together in apart.items():
        beside = [other for other, _ in lines if other in together]
        middle = (len(beside) - 1) / 2
        found[key] = (beside.index(key) - middle) * min(marks.NUMBERED, MOST_SHIFTED / max(0.5, middle))
    return found


def _touch(line: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether a marker of a line lies over one of another."""
    distances = [np.subtract.outer(line[name].to_numpy(), other[name].to_numpy()) for name in ("across", "up")]
    return bool((np.hypot(*distances) < marks.NUMBERED).any())


def _draw(
    results: Results,
    task: str,
    table: pd.DataFrame,
    numbers: pd.DataFrame,
    place: Callable[[pd.DataFrame], Any],
    decorate: Callable[[Axes], None],
    x: tuple[str, str],
    numbered: bool = False,
) -> Drawn:
    """The panels of the cells; a reference stands in each of them, and so does what others report.

    x: the column of what is on the axis, and its name.
    """
    if not (numbers["shows"] == "mean").any():
        return nothing(NOT_SCORED)
    of_cells = table[~table["reference"]]
    titles = list(of_cells.sort_values("cell_n", kind="stable")["panel"].unique())
    look, metric = styles(results), table["metric"].iloc[0]
    are_together = (of_cells.groupby("panel")["family"].nunique() > 1).any()
    families = of_cells["family"].unique() if are_together else []
    lines = {name: LINES[k % len(LINES)] for k, name in enumerate(families)}
    references = set(table.loc[table["reference"], "label"])
    reported = reported_numbers(results, task, x[0])

    drawn = panels(titles or [""], 1.7, HEIGHT, sharex=True, sharey=True)
    for axes, panel in zip(drawn.axes[0], titles or numbers["panel"].unique(), strict=False):
        here = numbers[(numbers["panel"] == panel) | numbers["model"].isin(references)]
        shifts = _shifts(here, x[0], WIDTH / drawn.columns) if numbered else {}
        for (family, series), line in reversed(list(here.groupby(["family", "series"], sort=False))):
            style, shift = look[series], shifts.get((family, series), 0.0)  # the cells over their controls
            means, seeds = line[line["shows"] == "mean"], line[line["shows"] == "seed"]
            failed = line[~line["shows"].isin(["mean", "seed"])]
            means = means.iloc[place(means).argsort(kind="stable")]
            size = marks.NUMBERED if numbered else marks.SIZE
            marks.draw_means(axes, place(means), means, style, lines.get(family, "-"), size, shift=shift)
            marks.draw_seeds(axes, place(seeds), seeds, style.colour, size, shift)
            marks.draw_failures(axes, place(failed), failed, style)
            if numbered:
                for at, mean in zip(place(means), means.itertuples(), strict=True):
                    marks.numbered_marker(axes, at, mean.value, mean.mark, style, shift)
        decorate(axes)
        draw_reported(axes, reported, x[0])
        marks.draw_levels(axes, results, task)
    every = pd.concat([numbers, reported], ignore_index=True) if len(reported) else numbers
    marks.score_axis(drawn.axes[0][0], results, task, every)
    drawn.name(x[1], metric_name(metric))
    shown = {name: style for name, style in look.items() if name in set(numbers["series"])}
    several = of_cells.groupby("family")["cell_i"].nunique() > 1
    kinds = [
        Line2D([], [], color=INK, linestyle=line, label=f"{series_name(name)} and controls")
        for name, line in lines.items()
        if several[name]
    ]
    handles = [*handles_of(shown), *(kinds if len(kinds) > 1 else []), INTERVAL_BAR, SEED]
    handles += reported_handles(reported, x[0])
    legend(drawn.figure, [*handles, *marks.level_handles(results, task), *failure_handles(numbers)])
    return Drawn(drawn.figure, every.drop(columns=["family", "mark"]))
