"""Figures of a tuning: the score over what was tried, and over how much was tried."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, StrMethodFormatter

from asura.common.metrics import LESS_IS_BETTER
from asura.planning.tune_settings import Tune
from asura.reporting.figures import marks
from asura.reporting.figures.palette import INK, styles
from asura.reporting.figures.style import (
    SEED,
    Drawn,
    Panels,
    handles_of,
    legend,
    log_axis,
    nothing,
    panels,
    say_what_is_left_out,
    some,
    styled,
)
from asura.reporting.frames import Results, members
from asura.reporting.names import metric_name, model_name, spaced, task_name

CHOSEN = 8.0  # points, of the ring around what was chosen
MOST_NAMED = 4
"""Values of a setting that stand at its axis, where no more were tried."""


@styled
def scores_over_rates(results: Results, tried: pd.DataFrame, tune: Tune) -> Drawn:
    """Score on the validation split over the first number that was tuned, a panel for each cell with its controls.

    Of the other settings, the best at each value is drawn.
    """
    numbers = [key for key in tune.over if pd.api.types.is_numeric_dtype(tried[key])]
    if not numbers:
        return nothing("No number has been tuned.")
    key = "learning_rate" if "learning_rate" in numbers else numbers[0]
    rows = pd.DataFrame(_rows(results, tried, key))
    drawn, shown = _panels(rows)
    look = styles(results)
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        here = rows[rows["panel"] == panel]
        for series, line in reversed(list(here.groupby("series", sort=False))):
            style, means = look[str(series)], line[line["shows"] == "mean"]
            seeds = line[line["shows"] == "seed"]
            axes.plot(seeds[key], seeds["value"], "o", color=style.colour, markersize=2.2, markeredgewidth=0, alpha=0.7)
            axes.plot(means[key], means["value"], style.marker, color=style.colour, linestyle="-", linewidth=1)
            chosen = means[means["chosen"]]
            axes.plot(chosen[key], chosen["value"], "o", color=style.colour, fillstyle="none", markersize=CHOSEN)
        if (rows[key] > 0).all() and rows[key].nunique() > 1:
            log_axis(axes, rows[key], 6 // min(drawn.columns, 3))
            if rows[key].nunique() <= MOST_NAMED:
                axes.xaxis.set_major_locator(FixedLocator(sorted(rows[key].unique())))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    _finish(drawn, results, rows, spaced(key), shown)
    return Drawn(drawn.figure, rows)


@styled
def expected_best(results: Results, tried: pd.DataFrame) -> Drawn:
    """Expected best score on the validation split over the number of trials (Dodge et al., 2019, equation 3).

    Trials are drawn with replacement from those that were made.
    """
    rows = []
    for about, own, metric in _members(results, tried):
        scores = own.groupby("trial", sort=False)["validation"].mean()
        for count, value in enumerate(best_of(scores.to_numpy(), metric in LESS_IS_BETTER), start=1):
            rows.append(about | {"trials": count, "shows": "mean", "value": value})
    numbers = pd.DataFrame(rows)
    drawn, shown = _panels(numbers)
    look = styles(results)
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        for series, line in reversed(list(numbers[numbers["panel"] == panel].groupby("series", sort=False))):
            style = look[str(series)]
            axes.plot(line["trials"], line["value"], style.marker, color=style.colour, linestyle="-", markersize=3.5)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    _finish(drawn, results, numbers, "trials", shown)
    return Drawn(drawn.figure, numbers)


def best_of(scores: np.ndarray, less_is_better: bool = False) -> np.ndarray:
    """The expected best of k scores drawn with replacement, for k from 1 to as many as there are."""
    ordered = np.sort(-scores if less_is_better else scores)
    share = np.arange(len(scores) + 1) / len(scores)
    powers = share[None, :] ** np.arange(1, len(scores) + 1)[:, None]
    found: np.ndarray = (np.diff(powers, axis=1) * ordered).sum(1)
    return -found if less_is_better else found


def _rows(results: Results, tried: pd.DataFrame, key: str) -> Iterator[dict[str, Any]]:
    """Of each model in each panel, the mean of the best trial at each value of a setting, and its seeds."""
    for about, own, metric in _members(results, tried):
        sign = -1 if metric in LESS_IS_BETTER else 1
        means = own.groupby("trial", sort=False).agg({key: "first", "validation": "mean", "chosen": "first"})
        for tuned, of_value in means.groupby(key):
            ranked = of_value.assign(rank=sign * of_value["validation"]).sort_values(["rank", "chosen"])
            trial = str(ranked.index[-1])
            seeds = own[own["trial"] == trial]
            runs = [marks.run_folder(about["task"], trial, seed) for seed in seeds["seed"]]
            row = about | {key: tuned, "trial": trial}
            chosen = bool(ranked["chosen"].iloc[-1])
            yield row | {
                "shows": "mean",
                "value": ranked["validation"].iloc[-1],
                "chosen": chosen,
                "run": " ".join(runs),
            }
            for score, run in zip(seeds["validation"], runs, strict=True):
                yield row | {"shows": "seed", "value": score, "chosen": chosen, "run": run}


def _members(results: Results, tried: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame, str]]:
    """Each model in each panel: what it is, its trials, and the metric that ranks them."""
    several = results.runs["task"].nunique() > 1
    for member in members(results).itertuples():
        title = (f"{task_name(member.task)}, " if several else "") + model_name(member.cell)
        about = {"panel": title, "task": member.task, "cell": member.cell}
        own = tried[(tried["task"] == member.task) & (tried["model"] == member.label)]
        yield about | {"series": member.series, "model": member.label}, own, member.metric


def _panels(rows: pd.DataFrame) -> tuple[Panels, list[str]]:
    """A panel for each cell of each task; scores of several tasks have axes of their own."""
    shown = some(list(rows["panel"].unique()))
    return panels(shown, 1.25, 1.3, sharex=True, sharey=rows["task"].nunique() == 1), shown


def _finish(drawn: Panels, results: Results, rows: pd.DataFrame, x: str, shown: list[str]) -> None:
    tasks = rows.drop_duplicates("panel").set_index("panel")["task"]
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        marks.draw_levels(axes, results, tasks[panel])
        axes.margins(0.1)
    metrics = {metric_name(metric) for metric in results.runs["metric"]}
    y = f"{metrics.pop() if len(metrics) == 1 else 'score'} on validation"
    drawn.name(x, y, numbered="y" if tasks.nunique() > 1 else "")
    say_what_is_left_out(drawn.figure, len(shown), len(tasks), "cells")
    # Where each panel has one model, its title names it.
    named = set(rows["series"]) if rows.groupby("panel")["series"].nunique().max() > 1 or len(tasks) == 1 else set()
    look = {name: style for name, style in styles(results).items() if name in named}
    ring = Line2D([], [], color=INK, marker="o", fillstyle="none", linestyle="none", markersize=CHOSEN, label="chosen")
    levels = marks.level_handles(results, tasks.iloc[0]) if tasks.nunique() == 1 else []
    extra = [SEED, ring] if "chosen" in rows else []
    legend(drawn.figure, [*handles_of(look), *extra, *levels])
