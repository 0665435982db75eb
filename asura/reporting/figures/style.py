"""How figures look: sizes for a column of 5.5 inches, panels, axes and legends."""

from collections.abc import Callable, Sequence
from math import ceil
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from asura.planning.run_folder import FAILURES
from asura.reporting.figures.palette import INK, Line, Style
from asura.reporting.names import series_name

WIDTH = 5.5  # inches, of the text of a paper in one column
LOOK: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # journals refuse Type 3 fonts
    "svg.hashsalt": "asura",  # without it the ids in an SVG are random
}
LETTER, LINE = 0.065, 0.145  # inches: the width of a letter and the height of a line
MOST_PANELS = 16
"""Things that have a panel of their own in one figure; of more, some are drawn, and the figure says how many."""
MOST_LINES = 24  # of a legend
FOOT = 7  # points: the size of what is written under the panels
FAILURE_MARKS = dict(zip(FAILURES, "x+", strict=True))
NOT_SCORED = "No finished run has a score to draw here."


class Drawn(NamedTuple):
    """A figure, and the numbers in it: a row for each mark, with the folders of the runs that it is made from."""

    figure: Figure
    numbers: pd.DataFrame


def styled(draw: Callable[..., Drawn]) -> Callable[..., Drawn]:
    """Draws in this module's look, and leaves matplotlib's settings alone."""
    return mpl.rc_context(LOOK)(draw)


class Panels(NamedTuple):
    """The panels of a figure: `axes[layer][place]`, in rows of `columns`, each as many layers high as there are."""

    figure: Figure
    axes: list[list[Axes]]
    columns: int

    def name(self, x: str, *y: str, numbered: str = "") -> None:
        """Name the axes of the lowest and the leftmost panels; the others need no numbers either.

        numbered: `x`, `y` or both: the axes that have numbers in every panel, since panels differ in them.
        """
        for layer, (row, name) in enumerate(zip(self.axes, y, strict=True)):
            for place, axes in enumerate(row):
                is_last = layer == len(self.axes) - 1
                is_lowest = is_last and place + self.columns >= len(row)
                axes.set_xlabel(x if is_lowest else "")
                axes.tick_params(labelbottom=is_lowest or (is_last and "x" in numbered))
                is_first = place % self.columns == 0
                axes.set_ylabel(beside(axes, name) if is_first else "")
                axes.tick_params(labelleft=is_first or "y" in numbered)


def beside(axes: Axes, name: str) -> str:
    """A name as the label of a vertical axis, in lines that are no longer than the axis."""
    height = axes.get_figure(root=True).get_figheight() * axes.get_position().height  # type: ignore[union-attr]
    letters = max(12, int(height / LETTER))
    parts = [name] if len(name) <= letters else name.replace(" (", "\n(").split("\n")
    return "\n".join(fill(part, letters, break_long_words=False) for part in parts)


def panels(
    titles: Sequence[str], width: float, height: float, layers: int = 1, total: float = WIDTH, **shared: bool
) -> Panels:
    """A panel for each title, at least `width` inches wide; rows are filled evenly, so that little stays empty."""
    most = max(1, min(len(titles), int(total / width)))
    rows = ceil(len(titles) / most)
    columns = ceil(len(titles) / rows)
    wrapped = [fill(title, max(10, int((total / columns - 0.2) / LETTER))) for title in titles]
    lines = max(title.count("\n") + 1 if title else 0 for title in wrapped)
    figure = Figure(figsize=(total, rows * (layers * height + lines * LINE) + 0.25), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    grid = figure.add_gridspec(rows * layers, columns)
    axes: list[list[Axes]] = [[] for _ in range(layers)]
    for place, title in enumerate(wrapped):
        row, column = divmod(place, columns)
        for layer, of_layer in enumerate(axes):
            first_of = {
                "sharex": axes[0][0] if shared.get("sharex") and axes[0] else None,
                "sharey": of_layer[0] if shared.get("sharey") and of_layer else None,
            }
            made = figure.add_subplot(grid[row * layers + layer, column], **first_of)
            if layer == 0:
                made.set_title(plain(title))
            of_layer.append(made)
    return Panels(figure, axes, columns)


def plain(text: str) -> str:
    """Text that matplotlib takes literally."""
    return text.replace("$", r"\$")


def some(items: Sequence[Any]) -> list[Any]:
    """The items or, where they are too many for one figure, some of them at equal distances."""
    places = np.linspace(0, len(items) - 1, min(len(items), MOST_PANELS)).round().astype(int)
    return [items[place] for place in places]


def say_what_is_left_out(figure: Figure, drawn: int, items: int, what: str) -> None:
    """Say at the foot how many of the items have been drawn, unless all have."""
    if drawn < items:
        figure.supxlabel(f"{drawn} of {items} {what} are drawn; tidy/ has the numbers of all", fontsize=FOOT)


def nothing(message: str) -> Drawn:
    """A figure that says why there is nothing in it."""
    figure = Figure(figsize=(WIDTH, 0.5), layout="constrained")
    figure.text(0.5, 0.5, message, ha="center", va="center")
    return Drawn(figure, pd.DataFrame(columns=["shows", "value", "run"]))


def log_axis(axes: Axes, values: pd.Series, most: int) -> None:
    """A logarithmic x axis for these values, with as many labels as do not overlap."""
    span = values.max() / values.min()
    labelled = (1, 2, 5) if span < 12 else (1, 3) if span < 150 else (1,)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(most) if span < 4 else LogLocator(subs=labelled, numticks=most + 2))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def padded(ends: tuple[float, float]) -> tuple[float, float]:
    """Limits, in rising order, a tenth below and a twentieth above these ends."""
    low, high = sorted(ends)
    room = (high - low) or 1.0
    return low - room / 10, high + room / 20


# Legends

SEED = Line2D([], [], color=INK, linestyle="none", marker="o", markersize=2.5, label="one seed")
MEAN_LINE = Line2D([], [], color=INK, linewidth=1.2, label="mean")
SEED_LINE = Line2D([], [], color=INK, linewidth=0.5, label="one seed")
INTERVAL_BAR = Line2D([], [], color=INK, linestyle="none", marker="|", markersize=8, label="mean with interval")


def failure_handles(numbers: pd.DataFrame) -> list[Artist]:
    """The legend entries of the failures that are drawn."""
    look: dict[str, Any] = {"color": INK, "linestyle": "none", "markersize": 5}
    drawn = set(numbers["shows"])
    return [Line2D([], [], marker=mark, label=name, **look) for name, mark in FAILURE_MARKS.items() if name in drawn]


def series_handle(name: str, style: Style, line: Line = "-", size: float = 5) -> Artist:
    """The legend entry of a series."""
    look: dict[str, Any] = {"linewidth": 1, "markersize": size, "markeredgecolor": "white", "markeredgewidth": 0.4}
    return Line2D([], [], color=style.colour, marker=style.marker, linestyle=line, label=plain(name), **look)


def handles_of(series: dict[str, Style]) -> list[Artist]:
    """The legend entries of series, in words."""
    return [series_handle(series_name(name), style) for name, style in series.items()]


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Under all panels, where it hides nothing; the figure is made high enough for it."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(WIDTH / (0.5 + 0.9 * LETTER * longest))))
    room = columns * MOST_LINES
    if len(handles) > room:
        rest = Line2D([], [], linestyle="none", label=f"and {len(handles) - room + 1} more")
        handles = [*handles[: room - 1], rest]
    said = figure.get_supxlabel()
    lines = ceil(len(handles) / columns) + (1 if said else 0)
    figure.set_figheight(figure.get_figheight() + LINE * lines + 0.1)
    drawn = figure.legend(handles=handles, loc="outside lower center", ncols=columns, title=" " if said else None)
    if said:  # in the place of the title, since matplotlib would write it over the legend
        top = drawn.get_window_extent().height / figure.bbox.height - 0.05 / figure.get_figheight()
        figure.supxlabel(said, y=top, va="top", fontsize=FOOT)
