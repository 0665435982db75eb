"""The figure of the dynamics."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from asura.reporting.analyses.shared import Found, Looks, draw, iterations_axis, lines, looks_of, model_handles
from asura.reporting.figures.marks import with_folders
from asura.reporting.figures.palette import LINES
from asura.reporting.figures.style import (
    MOST_PANELS,
    SEED_LINE,
    Drawn,
    legend,
    panels,
    say_what_is_left_out,
    styled,
)
from asura.reporting.frames import Results
from asura.reporting.names import model_name

QUANTITIES = {
    "norm": "norm of the state",
    "step": "relative step",
    "angle": "angle between steps (degrees)",
    "accuracy": "accuracy",
}


@styled
def dynamics(found: Found, results: Results, task: str) -> Drawn:
    """Norm, step, angle and accuracy against iterations, and a panel with the paths of states of each model."""
    frame = found["dynamics"]
    every = looks_of(results, task, frame["label"])
    look = dict(list(every.items())[: MOST_PANELS - len(QUANTITIES)])
    frame = frame[frame["label"].isin(look)]
    numbers = pd.concat([lines(frame, title, "t", name) for name, title in QUANTITIES.items()])
    titles = [*QUANTITIES.values(), *(f"path: {model_name(label)}" for label in look)]
    drawn = panels(titles, 1.25, 1.15)
    trained = results.runs.drop_duplicates("label").set_index("label")["i"]
    for axes, (name, title) in zip(drawn.axes[0], QUANTITIES.items(), strict=False):
        draw(axes, numbers[numbers["panel"] == title], look)
        iterations_axis(axes, {trained[label] for label in look})
        if name in ("norm", "step"):
            _log_axis(axes)
    paths = _draw_paths(drawn.axes[0][len(QUANTITIES) :], found["dynamics_paths"], look, trained)
    say_what_is_left_out(drawn.figure, len(look), len(every), "models")
    legend(drawn.figure, [*model_handles(look), SEED_LINE])
    return Drawn(drawn.figure, pd.concat([numbers, paths]).rename(columns={"label": "model", "x": "iteration"}))


def _log_axis(axes: Axes) -> None:
    """A logarithmic axis with at least two numbers on it, however short it is."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low < 100:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_paths(every: list[Axes], frame: pd.DataFrame, look: Looks, trained: pd.Series) -> pd.DataFrame:
    """Paths of the first seed of each model, up to four times its trained iterations, from a ring to a square."""
    shown = []
    for axes, label in zip(every, look, strict=True):
        own = frame[frame["label"] == label]
        own = own[own["seed"] == own["seed"].min()]
        if trained[label] > 1:
            own = own[own["t"] <= 4 * trained[label]]
        style, _ = look[label]
        for place, (_, path) in enumerate(own.groupby("position")):
            axes.plot(path["x"], path["y"], color=style.colour, linewidth=0.6, linestyle=LINES[place % 3], alpha=0.7)
            axes.plot(path["x"].iloc[0], path["y"].iloc[0], "o", color=style.colour, markersize=3, fillstyle="none")
            axes.plot(path["x"].iloc[-1], path["y"].iloc[-1], "s", color=style.colour, markersize=3)
        axes.set_xticks([])
        axes.set_yticks([])
        rows = with_folders(own).rename(columns={"t": "iteration", "y": "second", "x": "first"})
        shown.append(rows.assign(panel="path", shows="path", x=rows["iteration"]))
    columns = ["panel", "label", "x", "shows", "seed", "position", "first", "second", "run"]
    return pd.concat(shown)[columns] if shown else pd.DataFrame(columns=columns)
