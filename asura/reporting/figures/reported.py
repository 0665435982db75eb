"""Scores that others report: an open marker where their place on the axis is known, else a line across the panel."""

from itertools import cycle
from textwrap import shorten
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from asura.reporting.external import NOT_RUN, of_headline
from asura.reporting.figures.palette import INK, Line
from asura.reporting.figures.style import plain
from asura.reporting.frames import Results

MARKERS = "oDs^v<>"
DASHES: tuple[Line, ...] = ("-.", (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2, 1, 2)), (0, (8, 2, 1, 2, 1, 2)))
LONGEST = 70
"""Characters of a label in the legend, with its source; the numbers beside the figure have the whole."""


def reported_numbers(results: Results, task: str, x: str) -> pd.DataFrame:
    """A row for each score of a task that others report, at its value of column `x`; nothing where it has none."""
    found = of_headline(results)
    found = found[found["task"] == task].rename(columns={"score_low": "low", "score_high": "high", "score": "value"})
    found = found.assign(series=NOT_RUN, shows=NOT_RUN, run=found["source"])
    return found.reindex(columns=["series", "model", x, "shows", "value", "low", "high", "run"])


def draw_reported(axes: Axes, rows: pd.DataFrame, x: str) -> None:
    """Draw the rows in a panel."""
    look: dict[str, Any] = {"color": INK, "linewidth": 0.9, "zorder": 1}
    for row, (marker, line) in zip(rows.to_dict("records"), cycle(_looks()), strict=False):
        if pd.isna(row[x]):
            axes.axhline(row["value"], linestyle=line, gid=NOT_RUN, **look)
            continue
        ends = None if pd.isna(row["low"]) else [[row["value"] - row["low"]], [row["high"] - row["value"]]]
        open_marker: dict[str, Any] = {"marker": marker, "markersize": 6, "markerfacecolor": "white", "gid": NOT_RUN}
        axes.errorbar([row[x]], [row["value"]], ends, **open_marker, **look)


def reported_handles(rows: pd.DataFrame, x: str) -> list[Artist]:
    """The legend entries of the rows, each with its source."""
    look: dict[str, Any] = {"color": INK, "linewidth": 0.9, "markersize": 5, "markerfacecolor": "white"}
    handles: list[Artist] = []
    for row, (marker, line) in zip(rows.to_dict("records"), cycle(_looks()), strict=False):
        style = {"linestyle": line} if pd.isna(row[x]) else {"linestyle": "none", "marker": marker}
        label = shorten(f"{row['model']}, {NOT_RUN}: {row['run']}", LONGEST, placeholder=" …")
        handles.append(Line2D([], [], label=plain(label), **style, **look))
    return handles


def _looks() -> list[tuple[str, Line]]:
    return list(zip(MARKERS, cycle(DASHES), strict=False))
