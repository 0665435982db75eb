"""Legends: an entry for each series, line style, failure and mark that a figure shows."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asura.reporting.figures.style import FAILURE_MARKS, LEGEND_LINE, MOST_LINES, SIZE, LineStyle, Style, plain
from asura.reporting.frames import LESS_IS_BETTER, Results

SEEDS = Line2D([], [], color="0.35", linestyle="none", marker="o", markersize=2.5, label="one seed")


def chance_handles(results: Results) -> list[Artist]:
    """The legend entry of chance, which is off the axis where less is better."""
    handle = Line2D([], [], color="0.35", linestyle=":", label="chance")
    return [] if results.runs["metric"].isin(LESS_IS_BETTER).all() else [handle]


def failure_handles(results: Results) -> list[Artist]:
    """The legend entries of the failures that occur."""
    look: dict[str, Any] = {"color": "0.35", "linestyle": "none", "markersize": 5}
    marks = {failure: mark for failure, mark in FAILURE_MARKS.items() if (results.runs["status"] == failure).any()}
    return [Line2D([], [], marker=mark, label=failure, **look) for failure, mark in marks.items()]


def handles_of(series: dict[str, Style]) -> list[Artist]:
    """Legend entries of the series."""
    return [
        Line2D([], [], color=colour, marker=marker, markersize=SIZE, markeredgecolor="white", label=plain(name))
        for name, (colour, marker) in series.items()
    ]


def line_handles(names: dict[str, LineStyle]) -> list[Artist]:
    """Legend entries that say which line style is which, when there is more than one."""
    lines: list[Artist] = [
        Line2D([], [], color="0.3", linestyle=style, label=plain(name)) for name, style in names.items()
    ]
    return lines if len(lines) > 1 else []


def legend(figure: Figure, handles: list[Artist]) -> None:
    """At the right of all panels, where it hides nothing; the figure is made high enough for it."""
    heights = np.cumsum([1 + str(handle.get_label()).count("\n") for handle in handles])
    shown = int((heights <= MOST_LINES).sum())
    if shown < len(handles):
        rest = Line2D([], [], linestyle="none", label=f"and {len(handles) - shown} more")
        handles = [*handles[:shown], rest]
    lines = sum(1 + str(handle.get_label()).count("\n") for handle in handles)
    figure.set_figheight(max(figure.get_figheight(), LEGEND_LINE * lines + 0.2))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)
