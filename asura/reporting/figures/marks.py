"""What is drawn in panels: means with their intervals, seeds, failures and levels; and the rows that say so."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform, offset_copy

from asura.common.metrics import LESS_IS_BETTER
from asura.planning.run_folder import FAILURES
from asura.reporting.comparing import Comparing
from asura.reporting.figures.palette import INK, Line, Style, readable_on
from asura.reporting.figures.style import FAILURE_MARKS, padded, plain
from asura.reporting.frames import HEADLINE_SPLIT, Results, score_range
from asura.reporting.names import spaced

LEVELS: dict[str, Line] = {"chance": ":", "shortcut": (0, (6, 2))}
"""Line styles of what needs no solving of the task."""

SIZE = 5.0  # points, of a marker
NUMBERED = 9.5  # points, of a marker that holds a number

Row = dict[str, Any]


def run_folder(task: str, label: str, seed: int, study: str = "") -> str:
    """The folder of a run in the results of its study, which one of several is named; a benchmark is of its text."""
    return f"{study}/runs/{task.split('/')[0]}/{label}/seed{seed}".removeprefix("/")


def with_folders(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with the folder of the run that each is of."""
    keys = scores[["task", "label", "seed", *(["study"] if "study" in scores else [])]].itertuples(index=False)
    return scores.assign(run=[run_folder(*key) for key in keys])


def seed_rows(about: Row, scores: pd.DataFrame) -> Iterator[Row]:
    """A row for each seed."""
    for score in scores.itertuples():
        yield about | {"shows": "seed", "seed": score.seed, "value": score.value, "run": score.run}


def mean_row(about: Row, scores: pd.DataFrame, comparing: Comparing) -> Row:
    """A row for the mean of the seeds of a model, with the interval that tables give it; one seed has none."""
    task, label = scores[["task", "label"]].iloc[0]
    mean = comparing.mean(task, label)
    runs = " ".join(scores["run"])
    values = {"value": mean["score"], "low": mean["score_low"], "high": mean["score_high"]}
    return about | {"shows": "mean", **values, "run": runs}


def failure_rows(about: Row, runs: pd.DataFrame) -> Iterator[Row]:
    """A row for each run that failed."""
    for run in runs[runs["status"].isin(FAILURES)].itertuples():
        yield about | {
            "shows": run.status,
            "seed": run.seed,
            "run": run_folder(run.task, run.label, run.seed, getattr(run, "study", "")),
        }


def as_numbers(rows: Iterable[Row], *about: str) -> pd.DataFrame:
    """Rows as a frame, whose first columns say what each is about."""
    columns = [*about, "shows", "seed", "value", "low", "high", "run"]
    return pd.DataFrame(list(rows), columns=columns).astype({"seed": "Int64"})


def moved(axes: Axes, points: float) -> Transform:
    """The transform of data that is drawn so many points to the right of its place."""
    return offset_copy(axes.transData, axes.get_figure(root=True), x=points, units="points")


def draw_seeds(axes: Axes, x: Any, rows: pd.DataFrame, colour: Any, size: float = SIZE, shift: float = 0) -> None:
    """A small point for each seed, at the left of a marker of this size, which is moved by `shift` points."""
    beside = moved(axes, shift - size / 2 - 1.6)
    look: dict[str, Any] = {"markersize": 2.2, "markeredgewidth": 0, "alpha": 0.7, "transform": beside}
    axes.plot(x, rows["value"], "o", color=colour, gid="seeds", **look)


def draw_means(
    axes: Axes,
    x: Any,
    rows: pd.DataFrame,
    style: Style,
    line: Line,
    size: float = SIZE,
    hollow: bool = False,
    shift: float = 0,
) -> None:
    """A marker for each mean, with a bar that is its interval, joined by a line; moved by `shift` points."""
    errors = np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float)
    look: dict[str, Any] = {"markersize": size, "markeredgecolor": "white", "markeredgewidth": 0.5}
    look |= {"linestyle": line, "linewidth": 0.9, "elinewidth": 0.8, "gid": "mean", "transform": moved(axes, shift)}
    look |= {"markerfacecolor": "white", "markeredgecolor": style.colour} if hollow else {}
    axes.errorbar(x, rows["value"], errors, color=style.colour, marker=style.marker, **look)


def draw_failures(axes: Axes, x: Any, rows: pd.DataFrame, style: Style) -> None:
    """A mark at the foot of the panel for each run that failed."""
    for place, failure in zip(x, rows["shows"], strict=True):
        look: dict[str, Any] = {"color": style.colour, "markersize": 5, "transform": axes.get_xaxis_transform()}
        axes.plot(place, 0.03, FAILURE_MARKS[failure], **look)


def trained_marker(axes: Axes, x: float, y: float, number: str, style: Style) -> None:
    """A marker with a number inside, or a plain one where the number is empty."""
    if number:
        numbered_marker(axes, x, y, number, style)
    else:
        look: dict[str, Any] = {"color": style.colour, "markersize": SIZE, "markeredgecolor": "white"}
        axes.plot(x, y, style.marker, markeredgewidth=0.5, zorder=3, **look)


def numbered_marker(axes: Axes, x: float, y: float, text: str, style: Style, shift: float = 0) -> None:
    """A marker with text inside, moved by `shift` points; one drawn later covers both."""
    look: dict[str, Any] = {"color": style.colour, "markersize": NUMBERED, "clip_on": False}
    look |= {"markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 3, "transform": moved(axes, shift)}
    axes.plot(x, y, style.marker, **look)
    offset = {"^": -1, "v": 1}.get(style.marker, 0)
    about: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center_baseline", "zorder": 3}
    axes.annotate(text, (x, y), (shift, offset), fontsize=7, color=readable_on(style.colour), **about)


def draw_levels(axes: Axes, results: Results, task: str, split: str = HEADLINE_SPLIT) -> None:
    """What guessing reaches, and the best rule that does not solve the task."""
    for level, value in levels_on(results, task, split).items():
        axes.axhline(value, color=INK, linestyle=LEVELS[level], linewidth=0.9, zorder=0)


def level_handles(results: Results, task: str, splits: Collection[str] = (HEADLINE_SPLIT,)) -> list[Artist]:
    """The legend entries of the levels that are drawn for some splits."""
    drawn = {split: levels_on(results, task, split) for split in splits}
    with_shortcut = [split for split, levels in drawn.items() if "shortcut" in levels]
    rules = _on(results, task, with_shortcut)["rule"].dropna().unique()
    names = {"chance": "chance", "shortcut": f"best shortcut ({' or '.join(map(spaced, rules))})"}
    look: dict[str, Any] = {"color": INK, "linewidth": 0.9}
    return [
        Line2D([], [], linestyle=LEVELS[level], label=names[level], **look)
        for level in LEVELS
        if any(level in levels for levels in drawn.values())
    ]


def levels_on(results: Results, task: str, split: str) -> dict[str, float]:
    """Chance and the best shortcut in a task's primary metric on a split.

    A shortcut that is no better than chance is left out, and so is what is not known. Where less is better the axis
    may reach to neither, and then that is left out too.
    """
    scores = _on(results, task, [split])
    found = {level: float(scores[level].iloc[0]) for level in LEVELS if len(scores)}
    sign = -1 if len(scores) and scores["metric"].iloc[0] in LESS_IS_BETTER else 1
    if found and sign * found["shortcut"] <= sign * found["chance"]:
        del found["shortcut"]
    low, high = sorted(score_range(results, task))
    return {level: value for level, value in found.items() if low <= value <= high}


def _on(results: Results, task: str, splits: Collection[str]) -> pd.DataFrame:
    """The scores of a task on some splits, in its primary metric."""
    scores, metric = results.scores, results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]
    return scores[(scores["task"] == task) & scores["split"].isin(splits) & (scores["metric"] == metric)]


def score_axis(axes: Axes, results: Results, task: str, intervals: pd.DataFrame | None = None) -> None:
    """Let the axis reach a little beyond the range of the scores, and of intervals where they are drawn."""
    bounds = [] if intervals is None else intervals[["value", "low", "high"]].agg(["min", "max"]).to_numpy().ravel()
    ends = [*score_range(results, task), *bounds]
    axes.set_ylim(*padded((np.nanmin(ends), np.nanmax(ends))))


def heat_map(axes: Axes, values: pd.DataFrame, texts: pd.DataFrame, ends: tuple[float, float], colours: Any) -> Any:
    """A square for each value, with its text in black or white; those without a value are left blank."""
    low, high = sorted(ends)
    sns.heatmap(values, vmin=low, vmax=high, cmap=colours, cbar=False, linewidths=0.6, linecolor="white", ax=axes)
    mesh = axes.collections[0]
    axes.set_facecolor("0.93")
    for (row, column), text in np.ndenumerate(texts.to_numpy()):
        if text:
            look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "linespacing": 0.95}
            axes.text(column + 0.5, row + 0.5, text, color=readable_on(mesh.to_rgba(values.iat[row, column])), **look)
    axes.set_xticks(np.arange(values.shape[1]) + 0.5, [plain(str(name)) for name in values.columns], rotation=0)
    axes.set_yticks(np.arange(values.shape[0]) + 0.5, [plain(str(name)) for name in values.index], rotation=0)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0)
    return mesh
