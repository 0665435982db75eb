"""The figure of fixed points and contraction."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from asura.reporting.analyses.shared import Found, Looks, draw, iterations_axis, lines, looks_of, model_handles
from asura.reporting.figures.marks import SIZE, draw_seeds
from asura.reporting.figures.palette import INK
from asura.reporting.figures.style import SEED, Drawn, legend, padded, panels, say_what_is_left_out, some, styled
from asura.reporting.frames import Results

CONVERGED = "converged positions"
MAPS = {"min": "contraction as trained", "max": "contraction at the end"}
SIZES = {"singular_value": "σ", "spectral_radius": "ρ", "rate": "rate"}
ENDS = {"distance": "distance of the ends", "same": "same answer", "accuracy": "accuracy at the end"}
PLACES = (*SIZES.values(), "own", "noise", "another")
"""Of the x axes, in their order."""

MEAN: dict[str, Any] = {"markersize": SIZE, "markeredgecolor": "white", "markeredgewidth": 0.5}


@styled
def fixed_points(found: Found, results: Results, task: str) -> Drawn:
    """The share of converged positions against iterations, how much the map contracts, and ends of other starts."""
    every = looks_of(results, task, found["fixed_points"]["label"])
    look = {label: every[label] for label in some(list(every))}
    shown = {name: frame[frame["label"].isin(look)] for name, frame in found.items()}
    over_t = lines(shown["fixed_points"], CONVERGED, "t", "converged")
    at_places = pd.concat([*_of_maps(shown["fixed_points_map"]), *_of_starts(shown["fixed_points_start"])])
    drawn = panels([CONVERGED, *MAPS.values(), *ENDS.values()], 1.7, 1.2)
    first, *others = drawn.axes[0]
    draw(first, over_t, look)
    first.set_ylim(*padded((0, 1)))
    iterations_axis(first, set(shown["fixed_points_map"].groupby("label")["t"].min()))
    for axes, title in zip(others, [*MAPS.values(), *ENDS.values()], strict=True):
        here = at_places[at_places["panel"] == title]
        _draw_at_places(axes, here, look)
        if title in MAPS.values():
            _factor_axis(axes, here["value"])
        else:
            axes.set_ylim(*padded((0, here["value"].max() if title == ENDS["distance"] else 1)))
    say_what_is_left_out(drawn.figure, len(look), len(every), "models")
    legend(drawn.figure, [*model_handles(look), SEED])
    numbers = pd.concat([over_t.rename(columns={"x": "iteration"}), at_places.rename(columns={"x": "of"})])
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model"}))


def _of_maps(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The numbers of the panels of contraction, after the first and the last t of each model."""
    t = frame.groupby("label")["t"]
    return [
        lines(frame[frame["t"] == t.transform(end)].assign(of=name), title, "of", size)
        for end, title in MAPS.items()
        for size, name in SIZES.items()
    ]


def _of_starts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The numbers of the panels of ends; that of the own start is compared with itself in none."""
    elsewhere = frame[frame["start"] != "own"]
    return [lines(frame if name == "accuracy" else elsewhere, title, "start", name) for name, title in ENDS.items()]


def _factor_axis(axes: Axes, values: pd.Series) -> None:
    """Factors at equal distances, and a line at 1, beyond which differences grow."""
    axes.set_yscale("log")
    ends = pd.Series([*values[values > 0], 1.0])
    axes.set_ylim(ends.min() / 1.25, ends.max() * 1.25)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.axhline(1, color=INK, linestyle=":", linewidth=0.9, zorder=0)


def _draw_at_places(axes: Axes, numbers: pd.DataFrame, look: Looks) -> None:
    """The seeds and the mean of each model, side by side at each place of the x axis."""
    places = [place for place in PLACES if place in set(numbers["x"])]
    axes.set_xticks(range(len(places)), places)
    axes.set_xlim(-0.5, len(places) - 0.5)
    for order, (label, (style, _)) in enumerate(look.items()):
        own = numbers[numbers["label"] == label]
        beside = 0.7 * ((order + 0.5) / len(look) - 0.5)
        x = own["x"].map(places.index) + beside
        is_mean = own["shows"] == "mean"
        draw_seeds(axes, x[~is_mean], own[~is_mean], style.colour, SIZE)
        axes.plot(x[is_mean], own.loc[is_mean, "value"], style.marker, color=style.colour, gid="mean", **MEAN)
