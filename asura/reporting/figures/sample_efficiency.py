"""The figure of models that are trained on fixed sets of examples: scores over the size of the set."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, NullLocator

from asura.reporting.comparing import Comparing
from asura.reporting.figures import marks
from asura.reporting.figures.curves import MOST_TOGETHER
from asura.reporting.figures.palette import INK, LINES, Style, styles_of_models
from asura.reporting.figures.style import (
    INTERVAL_BAR,
    NOT_SCORED,
    SEED,
    WIDTH,
    Drawn,
    failure_handles,
    legend,
    nothing,
    panels,
    say_what_is_left_out,
    series_handle,
    some,
    styled,
)
from asura.reporting.frames import HEADLINE_SPLIT, TRAINING, Results, whatever_examples
from asura.reporting.names import metric_name, model_name
from asura.reporting.whole_curve import as_trained, training_mean

SPLITS = {HEADLINE_SPLIT: LINES[0], TRAINING: LINES[1]}
ENDLESS = math.inf
"""The size of the set of a model that sees new examples at every step."""
LEAST_GAP = 0.09
"""Share of the axis between two numbers on it."""


@styled
def score_against_examples(results: Results, task: str) -> Drawn:
    """Score on the test split and on the training set against the size of that set; new examples stand at ∞.

    Models that differ in the set alone are one line. Where many would share a panel, each has one of its own.
    """
    one = results._replace(
        runs=_whatever_examples(results.runs, "label"), roles=_whatever_examples(results.roles, "label", "control_of")
    )
    numbers = marks.as_numbers(_rows(results, task), "model", "split", "examples")
    if not (numbers["shows"] == "mean").any():
        return nothing(NOT_SCORED)
    every_model = list(numbers["model"].unique())
    models = some(every_model) if len(every_model) > MOST_TOGETHER else every_model
    look, places = styles_of_models(one, models), _places(numbers["examples"])

    is_apart = len(models) > MOST_TOGETHER
    size = (1.25, 0.9) if is_apart else (WIDTH, 2.2)
    drawn = panels([model_name(model) for model in models] if is_apart else [""], *size, sharex=True, sharey=True)
    together = [[model] for model in models] if is_apart else [models]
    for axes, here in zip(drawn.axes[0], together, strict=True):
        step = _step(places, len(here))
        for place, model in reversed(list(enumerate(here))):
            own = numbers[numbers["model"] == model]
            for split, rows in own.groupby("split", sort=False):
                beside = step ** (place - (len(here) - 1) / 2 + 0.4 * (split == TRAINING))
                _draw(axes, rows["examples"].map(places) * beside, rows, look[model], str(split))
        _examples_axis(axes, places, drawn.columns)
        marks.draw_levels(axes, results, task)
        marks.score_axis(axes, results, task, numbers)
    endless = " (∞: new ones at every step)" if ENDLESS in places and not is_apart else ""
    metric = results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]
    drawn.name("training examples" if is_apart else f"examples in the training set{endless}", metric_name(metric))
    say_what_is_left_out(drawn.figure, len(models), len(every_model), "models")
    handles: list[Artist] = [] if is_apart else [series_handle(model_name(model), look[model]) for model in models]
    legend(
        drawn.figure,
        [
            *handles,
            *_split_handles(),
            INTERVAL_BAR,
            SEED,
            *marks.level_handles(results, task),
            *failure_handles(numbers),
        ],
    )
    return Drawn(drawn.figure, numbers)


def _whatever_examples(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """A frame in which models that differ in the set of examples alone are one."""
    return frame.assign(**{name: frame[name].map(whatever_examples) for name in columns})


def _rows(results: Results, task: str) -> Iterator[marks.Row]:
    """Of each model on each split its mean, its seeds and, on the test split, its failures, at the size of its set."""
    scores = marks.with_folders(as_trained(results))
    scores = scores[scores["split"].isin(SPLITS)].sort_values("seed", kind="stable")
    own, comparing = dict(list(scores.groupby(["task", "label", "split"]))), Comparing(results)
    of_task = results.runs[results.runs["task"] == task].sort_values("order", kind="stable")
    for label, runs in of_task.groupby("label", sort=False):
        examples = runs["examples"].fillna(ENDLESS).iloc[0]
        for split in SPLITS:
            about = {"model": whatever_examples(str(label)), "split": split, "examples": examples}
            here = own.get((task, label, split))
            if here is not None:
                mean = marks.mean_row(about, here, comparing)
                if split == TRAINING:
                    mean |= dict(zip(("value", "low", "high"), training_mean(here, comparing), strict=False))
                yield mean
                yield from marks.seed_rows(about, here)
            if split == HEADLINE_SPLIT:
                yield from marks.failure_rows(about, runs)


def _draw(axes: Axes, x: pd.Series, rows: pd.DataFrame, style: Style, split: str) -> None:
    """The scores of a model on a split, joined by a line where the set has a size."""
    means, seeds = rows["shows"] == "mean", rows["shows"] == "seed"
    endless, failed = rows["examples"] == ENDLESS, ~means & ~seeds
    for joined in (means & ~endless, means & endless):
        marks.draw_means(axes, x[joined], rows[joined], style, SPLITS[split], hollow=split == TRAINING)
    marks.draw_seeds(axes, x[seeds], rows[seeds], style.colour)
    marks.draw_failures(axes, x[failed], rows[failed], style)


def _places(sizes: pd.Series) -> dict[float, float]:
    """Where each size stands on a logarithmic axis: ∞ at some distance from the last of the others."""
    finite = sorted(size for size in sizes.unique() if size != ENDLESS)
    places = dict(zip(finite, finite, strict=True))
    if ENDLESS in sizes.to_numpy():
        places[ENDLESS] = finite[-1] * max(3.0, (finite[-1] / finite[0]) ** 0.2) if finite else 1.0
    return places


def _step(places: dict[float, float], models: int) -> float:
    """The factor between models beside each other at one size, so that their bars do not hide each other."""
    ordered = np.log(sorted(places.values()))
    room = min(0.15, 0.7 * float(np.diff(ordered).min()) / math.log(_span(places))) if len(ordered) > 1 else 0.15
    return float(_span(places) ** (room / max(models, 2)))


def _span(places: dict[float, float]) -> float:
    """By how much the last place is larger than the first; not less than twice, so that an axis has a length."""
    return max(2.0, max(places.values()) / min(places.values()))


def _examples_axis(axes: Axes, places: dict[float, float], columns: int) -> None:
    """Numbers at the sizes, of which those are left out that would stand over the one before."""
    span, shown = _span(places), dict[float, float]()
    for size, place in places.items():
        if not shown or place >= max(shown.values()) * span ** (LEAST_GAP * columns):
            shown[size] = place
    name = EngFormatter(sep="")
    axes.set_xscale("log")
    axes.set_xticks(list(shown.values()), ["∞" if size == ENDLESS else name(size) for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(min(places.values()) / span**0.08, max(places.values()) * span**0.08)


def _split_handles() -> list[Artist]:
    look: dict[str, Any] = {"color": INK, "marker": "o", "markersize": 4.5, "linewidth": 1}
    return [
        Line2D([], [], linestyle=SPLITS[HEADLINE_SPLIT], label="test", **look),
        Line2D([], [], linestyle=SPLITS[TRAINING], label="training set", markerfacecolor="white", **look),
    ]
