"""What figures of analyses share: the looks of models, lines over seeds, and panels of heat maps."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from asura.reporting.figures.curves import draw_lines, lines_of, looks, powers_of_two
from asura.reporting.figures.heatmaps import columns_of, short
from asura.reporting.figures.marks import heat_map, with_folders
from asura.reporting.figures.palette import HEAT, Line, Style
from asura.reporting.figures.style import WIDTH, series_handle
from asura.reporting.frames import Results, members
from asura.reporting.names import model_name

Found = Mapping[str, pd.DataFrame]
"""The frames of the analyses by name."""

IN_A_ROW = 3
"""Heat maps that may be as wide as they like."""
WIDE = 0.16
"""Inches of a square, before what stands beside the axes is taken off, in which a number can be read."""

Looks = dict[str, tuple[Style, Line]]


def looks_of(results: Results, task: str, labels: Iterable[str]) -> Looks:
    """The style of each model, as in all figures of the study, in the order of the study."""
    rows = members(results)
    rows = rows[rows["task"] == task].drop_duplicates("label").set_index("label")
    shown = [label for label in rows.index if label in set(labels)]
    series, trained = rows.loc[shown, "series"], rows.loc[shown, "i"]
    look = looks(results, series, trained)
    return {label: look[series[label], trained[label]] for label in shown}


def lines(frame: pd.DataFrame, panel: str, x: str, y: str) -> pd.DataFrame:
    """The rows of `lines_of` for a quantity of a frame, in a panel."""
    rows = with_folders(frame).assign(panel=panel, value=frame[y], x=frame[x]).dropna(subset="value")
    return lines_of(rows, ["panel", "label", "x"])


def means_of(frame: pd.DataFrame, about: list[str], quantity: str) -> pd.DataFrame:
    """Means over seeds of a quantity, by the columns that say what it is of, with the folders of the runs."""
    means = with_folders(frame).groupby(about, sort=False).agg(value=(quantity, "mean"), run=("run", " ".join))
    return means.reset_index().assign(shows="mean")[[*about, "shows", "value", "run"]]


def at_some(frame: pd.DataFrame, panel: str, *columns: str) -> pd.DataFrame:
    """The rows at those iterations that the heat map of a panel has room for, see `columns_of`."""
    for column in columns:
        of_panels = [rows for _, rows in frame.groupby(panel, sort=False)]
        frame = pd.concat([rows[rows[column].isin(columns_of(rows[column], {0}))] for rows in of_panels])
    return frame


def size_of_heat_map(rows: int, columns: int, panels: int) -> tuple[float, float]:
    """Width and height of the heat maps of a figure in inches. More than three are so small that three fit in a row."""
    width, height = 0.27 * columns + 0.35, max(0.6, 0.22 * rows + 0.15)
    return (min(width, WIDTH), height) if panels <= IN_A_ROW else (min(width, 1.7), min(height, 1.4))


def draw_heat_map(axes: Axes, values: pd.DataFrame) -> Any:
    """A square for each value between 0 and 1, with its number, if it is wide enough."""
    width = axes.get_position().width * axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    numbered = width / values.shape[1] >= WIDE
    texts = values.map(lambda value: short(round(value, 2) + 0.0) if numbered and value == value else "")
    return heat_map(axes, values, texts, (0.0, 1.0), HEAT)


def draw(axes: Axes, numbers: pd.DataFrame, look: Looks) -> None:
    """The lines of all models in a panel; the first model lies on top."""
    for label, model in reversed(list(numbers.groupby("label", sort=False))):
        draw_lines(axes, model, "x", *look[str(label)])


def iterations_axis(axes: Axes, trained: set[int]) -> None:
    """Powers of two at equal distances, and a line at each trained number."""
    powers_of_two(axes, 7)
    axes.set_xlabel("iterations")
    for i in trained - {1}:
        axes.axvline(i, color="0.8", linewidth=0.8, zorder=0)


def model_handles(look: Looks) -> list[Artist]:
    """The legend entries of models."""
    return [series_handle(model_name(label), style, line) for label, (style, line) in look.items()]
