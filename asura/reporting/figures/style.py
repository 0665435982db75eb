"""How figures look: a colour and a marker for each series, panels, legends, and files with the same bytes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import offset_copy

from asura.common.files import write_whole
from asura.reporting.frames import CONTROLS, HEADLINE_SPLIT, LESS_IS_BETTER, Results, members, score_range
from asura.reporting.statistics import UNIT, Scale, mean_interval

LOOK = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # journals refuse Type 3 fonts
    "svg.hashsalt": "asura",  # without it the ids in an SVG are random
}
PANEL_WIDTH, PANEL_HEIGHT, LEGEND_WIDTH, LEGEND_LINE = 2.5, 2.3, 1.7, 0.16  # inches
TITLE_LINE, TITLE_LETTER, TITLE_LINES = 0.14, 0.062, 3  # inches, and lines for which there is room
MOST_COLUMNS, MOST_WIDTH = 6, 26.0  # panels in a row, and inches
MOST_PANELS = 36
"""Things that have a panel of their own in one figure; of more, some are drawn, and the figure says how many."""
MOST_LINES = 60  # of a legend
NOTE_LETTER = 0.08  # inches
SIZE = 6.0  # points, of a marker
NUMBERED = 9.0  # points, of a marker that holds a number
LineStyle = Literal["-", "--", ":", "-."]
LINE_STYLES: list[LineStyle] = ["-", "--", ":", "-."]
FAILURE_MARKS = {"diverged": "x", "out of memory": "+"}
NOT_SCORED = "No finished run has a score to draw here."


FORMS: dict[str, dict[str, Any]] = {
    "png": {"dpi": 200},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}
"""Of a figure's files, what they are written with; without dates, the same data give the same bytes."""


class Style(NamedTuple):
    """A series keeps its colour and marker in every figure."""

    colour: tuple[float, float, float]
    marker: str


_COLOURS = sns.color_palette("colorblind")
_FIXED = {
    "asura": Style(_COLOURS[0], "o"),
    "asura_full": Style(_COLOURS[9], "D"),
    "iso_param": Style(_COLOURS[1], "s"),
    "iso_flop": Style(_COLOURS[2], "^"),
    "iso_both": Style(_COLOURS[3], "v"),
    "iso_param_depth": Style(_COLOURS[6], ">"),
    "iso_recursion": Style(_COLOURS[4], "p"),
}
_SPARE_COLOURS = [_COLOURS[place] for place in (5, 7, 8, 6, 1, 2, 3, 4)]  # the last are free where no control is drawn
_SPARE_MARKERS = "h8<>dHX*"


def styles(results: Results) -> dict[str, Style]:
    """Series to its style: the study's own families in their order, then the controls in theirs."""
    series = members(results).sort_values("order", kind="stable")["series"].unique()
    own = [name for name in series if name not in CONTROLS]
    spare = [name for name in own if name not in _FIXED]
    taken = [_FIXED[name].colour for name in series if name in _FIXED]
    free = [colour for colour in _SPARE_COLOURS if colour not in taken]
    given = dict(_FIXED)
    for place, name in enumerate(spare):
        given[name] = Style(free[place % len(free)], _SPARE_MARKERS[place % len(_SPARE_MARKERS)])
    return {name: given[name] for name in [*own, *(name for name in CONTROLS if name in series)]}


def plain(text: str) -> str:
    """Text that matplotlib takes literally, with long labels broken before what differs from a preset."""
    return text.replace("$", r"\$").replace("+", "\n+")


def styled(draw: Callable[[Results], Figure]) -> Callable[[Results], Figure]:
    """Draws in this module's look, and leaves matplotlib's settings alone."""
    return mpl.rc_context(LOOK)(draw)


def panels(
    rows: int,
    columns: int,
    width: float = PANEL_WIDTH,
    height: float = PANEL_HEIGHT,
    titles: Sequence[str] = (),
    **shared: Any,
) -> tuple[Figure, np.ndarray]:
    """A figure with rows x columns axes of this size in inches, larger under large titles, and room for a legend."""
    lines = [title.split("\n") for title in titles]
    height += TITLE_LINE * max([0, *(len(title) - TITLE_LINES for title in lines)])
    width = max([width, *(TITLE_LETTER * len(line) for title in lines for line in title)])
    size = (columns * width + LEGEND_WIDTH, rows * height + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def wrapped(items: Sequence[Any], width: float = PANEL_WIDTH) -> list[Sequence[Any]]:
    """The items by rows of as many panels of this width as a page shows."""
    columns = max(1, min(len(items), MOST_COLUMNS, int(MOST_WIDTH / width)))
    return [items[start : start + columns] for start in range(0, len(items), columns)]


def some(items: Sequence[Any]) -> list[Any]:
    """The items or, where they are too many for one figure, some of them at equal distances."""
    places = np.linspace(0, len(items) - 1, min(len(items), MOST_PANELS)).round().astype(int)
    return [items[place] for place in places]


def say_what_is_left_out(figure: Figure, drawn: Sequence[Any], items: Sequence[Any], what: str) -> None:
    """Name, at the foot, how many of the items have been drawn, unless all have."""
    if len(drawn) < len(items):
        text = f"{len(drawn)} of {len(items)} {what} are drawn; tidy/ has the numbers of all"
        figure.supxlabel(fill(text, int(figure.get_figwidth() / NOTE_LETTER)), fontsize=9)


def hide(axes: np.ndarray) -> None:
    """Panels in which there is nothing to draw."""
    for each in axes:
        each.set_visible(False)


def empty_figure(message: str) -> Figure:
    """A figure that says why there is nothing in it."""
    figure = Figure(figsize=(6, 1.5), layout="constrained")
    figure.text(0.5, 0.5, message, ha="center", va="center")
    return figure


def draw_means(
    axes: Axes,
    samples: list[tuple[float, np.ndarray]],
    style: Style,
    linestyle: str,
    size: float,
    scale: Scale = UNIT,
) -> None:
    """Mean with its interval at each x, joined by a line; every seed a faint point at its left."""
    if not samples:
        return
    x = [x for x, _ in samples]
    intervals = [mean_interval(values, scale) for _, values in samples]
    axes.plot(
        np.repeat(x, [len(values) for _, values in samples]),
        np.concatenate([values for _, values in samples]),
        linestyle="none",
        marker="o",
        markersize=2.5,
        markeredgewidth=0,
        color=style.colour,
        alpha=0.55,
        transform=offset_copy(axes.transData, axes.get_figure(root=True), x=-size / 2 - 1.5, units="points"),
        gid="seeds",
    )
    axes.errorbar(
        x,
        [interval.mean for interval in intervals],
        [
            [interval.mean - interval.low for interval in intervals],
            [interval.high - interval.mean for interval in intervals],
        ],
        color=style.colour,
        marker=style.marker,
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=0.6,
        linestyle=linestyle,
        linewidth=1,
        elinewidth=0.9,
        gid="mean",
    )


def numbered_marker(axes: Axes, x: float, y: float, text: str, style: Style) -> None:
    """A marker with text inside; one drawn later covers both."""
    look: dict[str, Any] = {
        "color": style.colour,
        "markersize": NUMBERED,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }
    axes.plot(x, y, style.marker, **look, zorder=3)
    axes.annotate(
        text,
        (x, y),
        (0, {"^": -1, "v": 1}.get(style.marker, 0)),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=5.5,
        color="white",
        fontweight="bold",
        path_effects=[withStroke(linewidth=1, foreground=style.colour)],
        zorder=3,
    )


def draw_failures(axes: Axes, x: float, failed: Mapping[str, int], style: Style) -> None:
    """A mark at the foot of the panel for each way in which runs of a model have failed."""
    look: dict[str, Any] = {"color": style.colour, "markersize": 5, "transform": axes.get_xaxis_transform()}
    for failure in (failure for failure, count in failed.items() if count):
        axes.plot(x, 0.03, FAILURE_MARKS[failure], **look)


def draw_chance(axes: Axes, chance: float) -> None:
    """The level that guessing reaches."""
    axes.axhline(chance, color="0.35", linestyle=":", linewidth=1, zorder=0)


def log_axis(axes: Axes, values: pd.Series, name: str) -> None:
    """A logarithmic x axis for these values, with as many labels as do not overlap."""
    span = values.max() / values.min()
    labelled = (1, 2, 5) if span < 12 else (1, 3) if span < 150 else (1,)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(4) if span < 4 else LogLocator(subs=labelled))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(name)


def score_axis(row: np.ndarray, results: Results, task: str, splits: Sequence[str] = ()) -> None:
    """Name a row of panels, draw chance, and let the axis reach a little beyond the range of the scores.

    Panels are of these splits, or all of the one for the headline.
    """
    run = results.runs[results.runs["task"] == task].iloc[0]
    row[0].set_ylim(*padded(score_range(results, task)))
    row[0].set_ylabel(f"{plain(task)}\n{metric_name(run['metric'])}")
    for axes, split in zip(row, splits or [HEADLINE_SPLIT] * len(row), strict=False):
        draw_chance(axes, chance_on(results, task, split))


def chance_on(results: Results, task: str, split: str) -> float:
    """Chance in a task's primary metric on a split."""
    run = results.runs[results.runs["task"] == task].iloc[0]
    scores = results.scores
    here = scores[(scores["task"] == task) & (scores["split"] == split) & (scores["metric"] == run["metric"])]
    chance: float = here["chance"].iloc[0] if len(here) else run["chance"]
    return chance


def label_outer(grid: np.ndarray) -> None:
    """Keep ticks and names of the lowest panel of each column and the first of each row, of those that are shown."""
    for column in grid.T:
        shown = [axes for axes in column if axes.get_visible()]
        for axes in shown[:-1]:
            axes.set_xlabel("")
        for axes in shown:
            axes.tick_params(labelbottom=axes is shown[-1])
    for row in grid:
        shown = [axes for axes in row if axes.get_visible()]
        for axes in shown:
            axes.tick_params(labelleft=axes is shown[0])
            axes.set_ylabel(row[0].get_ylabel() if axes is shown[0] else "")


def padded(ends: tuple[float, float]) -> tuple[float, float]:
    """Limits, in rising order, a tenth below and a twentieth above these ends."""
    low, high = sorted(ends)
    room = (high - low) or 1.0
    return low - room / 10, high + room / 20


def metric_name(metric: str) -> str:
    """A metric as an axis calls it."""
    return metric.replace("_", " ") + (", less is better" if metric in LESS_IS_BETTER else "")


def write_figure(figure: Figure, path_stem: Path, note: str | None) -> None:
    """Write .png, .svg and .pdf, with `note` over the figure; the same data give the same bytes.

    The figure is laid out once, for the first of these, and the others have the same layout.
    """
    if note:
        figure.suptitle(note.replace("$", r"\$"), color="firebrick", fontweight="bold", fontsize=10)
        for each in figure.legends:
            each.set_title(" ", FontProperties(size=12))  # a blank line, which the note may cover
    for form, settings in FORMS.items():
        with mpl.rc_context(LOOK):
            write_whole(Path(f"{path_stem}.{form}"), partial(figure.savefig, format=form, **settings))
        figure.set_layout_engine("none")
