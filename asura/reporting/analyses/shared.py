"""What figures of analyses share: the looks of models, lines over seeds, and panels of heat maps."""

from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from asura.reporting.figures.curves import draw_lines, lines_of, looks
from asura.reporting.figures.marks import with_folders
from asura.reporting.figures.palette import Line, Style
from asura.reporting.figures.style import series_handle
from asura.reporting.frames import Results, members
from asura.reporting.names import model_name

Found = Mapping[str, pd.DataFrame]
"""The frames of the analyses by name."""

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


def draw(axes: Axes, numbers: pd.DataFrame, look: Looks) -> None:
    """The lines of all models in a panel; the first model lies on top."""
    for label, model in reversed(list(numbers.groupby("label", sort=False))):
        draw_lines(axes, model, "x", *look[str(label)])


def model_handles(look: Looks) -> list[Artist]:
    """The legend entries of models."""
    return [series_handle(model_name(label), style, line) for label, (style, line) in look.items()]
