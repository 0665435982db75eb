"""The figure of the exits."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from asura.planning.analysed import STACK
from asura.reporting.analyses.shared import Found, looks_of
from asura.reporting.figures.marks import with_folders
from asura.reporting.figures.palette import FIXED, INK, LINES, SPARE_COLOURS
from asura.reporting.figures.style import Drawn, legend, panels, say_what_is_left_out, some, styled
from asura.reporting.frames import HEADLINE_SPLIT, Results
from asura.reporting.names import model_name, spaced

SAYINGS = {"fixed": "same number of iterations", "random": "at random", "change": "change of the state"}
COLOURS = [colour for colour in SPARE_COLOURS if len(set(colour)) > 1]
"""Those that are no grey, which is that of a fixed number of iterations."""


@styled
def exits(found: Found, results: Results, task: str) -> Drawn:
    """Accuracy against inference FLOPs where positions stop early, a panel for each model, a line for a criterion."""
    frame = found["exits"]
    every = list(looks_of(results, task, frame["label"]))
    shown = some(every)
    frame = with_folders(frame[frame["label"].isin(shown)])
    measured = {"flops": ("flops", "mean"), "value": ("accuracy", "mean"), "is_chosen": ("is_chosen", "mean")}
    groups = frame.groupby(["label", "criterion", "rank"], sort=False)
    means = groups.agg(**measured, run=("run", " ".join)).reset_index()
    criteria = list(means["criterion"].unique())
    look = dict(zip(criteria, [(INK, "-"), *zip(cycle(COLOURS), LINES * 2, strict=False)], strict=False))
    stacks = _stacks(results, task)
    drawn = panels([model_name(label) for label in shown], 1.7, 1.5, sharey=True)
    for axes, label in zip(drawn.axes[0], shown, strict=True):
        for criterion, line in means[means["label"] == label].groupby("criterion", sort=False):
            _draw(axes, line, *look[criterion])
        stack = stacks[stacks["control_of"] == label]
        style = FIXED[STACK]
        axes.plot(stack["flops"], stack["value"], style.marker, color=style.colour, markersize=5)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    drawn.name("inference FLOPs per token", "accuracy", numbered="x")
    say_what_is_left_out(drawn.figure, len(shown), len(every), "models")
    legend(drawn.figure, _handles(criteria, look, has_stack=bool(stacks["control_of"].isin(shown).any())))
    numbers: pd.DataFrame = means.assign(shows="mean").rename(columns={"label": "model"})
    return Drawn(drawn.figure, numbers)


def _draw(axes: Axes, line: pd.DataFrame, colour: Any, style: Any) -> None:
    """A line over thresholds, with a ring where a seed chose one, the larger the more seeds did."""
    line = line.sort_values("flops")
    axes.plot(line["flops"], line["value"], color=colour, linestyle=style, marker="o", markersize=1.8, linewidth=1)
    chosen = line[line["is_chosen"] > 0]
    sizes = 8 + 40 * chosen["is_chosen"]
    axes.scatter(chosen["flops"], chosen["value"], sizes, facecolors="none", edgecolors=colour, linewidths=0.8)


def _stacks(results: Results, task: str) -> pd.DataFrame:
    """Mean accuracy and cost of the stack of equal FLOPs of each model."""
    roles = results.roles[(results.roles["task"] == task) & (results.roles["control"] == STACK)]
    scores, runs = results.scores, results.runs[results.runs["task"] == task]
    shown = (scores["task"] == task) & (scores["split"] == HEADLINE_SPLIT) & (scores["metric"] == "accuracy")
    means = scores[shown & (scores["iterations"] == 1)].groupby("label")["value"].mean()
    cost = runs.groupby("label")["inference_flops_per_token"].first()
    return roles.assign(value=roles["label"].map(means), flops=roles["label"].map(cost))


def _handles(criteria: Sequence[str], look: dict[str, Any], has_stack: bool) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=look[name][0], linestyle=look[name][1], linewidth=1, label=SAYINGS.get(name, spaced(name)))
        for name in criteria
    ]
    about: dict[str, Any] = {"linestyle": "none", "color": INK, "fillstyle": "none"}
    handles.append(Line2D([], [], marker="o", label="chosen on validation", **about))
    if has_stack:
        style = FIXED[STACK]
        handles.append(
            Line2D([], [], marker=style.marker, color=style.colour, linestyle="none", label="stack of equal FLOPs")
        )
    return handles
