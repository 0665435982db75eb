"""The figure of an ablation: how far each model is from the one that it is compared with."""

import math
from collections.abc import Iterator
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asura.common.metrics import LESS_IS_BETTER
from asura.reporting.comparing import Comparing, scale_on
from asura.reporting.figures import marks
from asura.reporting.figures.palette import INK
from asura.reporting.figures.style import LINE, SEED, WIDTH, Drawn, legend, nothing, plain, styled
from asura.reporting.frames import HEADLINE_SPLIT, Results, family, primary_scores, splits_of
from asura.reporting.names import metric_name, model_name, split_name, task_name
from asura.reporting.statistics import paired_difference

NAME_LETTERS = 36  # of a line of a model's name
COLOUR = "#0b62a4"


@styled
def differences(results: Results) -> Drawn:
    """Difference of every model to its reference, with its interval and every seed: tasks are rows, splits columns.

    The largest difference on the test split stands at the top; where each model is compared with the one before it,
    they keep their order.
    """
    scores = primary_scores(results)
    scores = marks.with_folders(scores[scores["iterations"] == scores["i"]])
    numbers = marks.as_numbers(_rows(results, scores), "task", "split", "model", "reference")
    tasks = list(numbers["task"].unique())
    if not tasks:
        return nothing("No finished run has a score to compare here.")
    splits = {task: splits_of(numbers, task) for task in tasks}
    orders = {task: _order(results, numbers, task) for task in tasks}
    names = {task: [_name(numbers, task, label) for label in orders[task]] for task in tasks}
    heights = [0.55 + LINE * sum(1.2 + name.count("\n") for name in names[task]) for task in tasks]

    figure = Figure(figsize=(WIDTH, sum(heights) + 0.2), layout="constrained")
    grid = figure.add_gridspec(len(tasks), max(map(len, splits.values())), height_ratios=heights)
    for row, task in enumerate(tasks):
        metric = results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]
        first: Axes | None = None
        for column, split in enumerate(splits[task]):
            axes = figure.add_subplot(grid[row, column], sharex=first, sharey=first)
            first = first or axes
            here = numbers[(numbers["task"] == task) & (numbers["split"] == split)]
            _draw(axes, here, orders[task])
            axes.set_title(plain(", ".join([*([task_name(task)] if len(tasks) > 1 else []), split_name(split)])))
            axes.tick_params(labelleft=column == 0, left=column == 0)
        axes = figure.axes[-len(splits[task])]
        axes.set_yticks(range(len(names[task])), [plain(name) for name in names[task]])
        axes.set_ylim(len(names[task]) - 0.5, -0.5)
        axes.set_xlabel(f"difference in {metric_name(metric)}", loc="left")
    legend(figure, _handles(numbers))
    return Drawn(figure, numbers)


def _rows(results: Results, scores: pd.DataFrame) -> Iterator[marks.Row]:
    """A row for the mean difference on each split, and one for each seed."""
    comparing = Comparing(results)
    of_model = {key: rows.set_index("seed") for key, rows in scores.groupby(["task", "split", "label"])}
    models = results.runs.drop_duplicates(["task", "label"]).sort_values("order", kind="stable")
    for model in models.dropna(subset="against").itertuples():
        for split in splits_of(scores, model.task):
            own = of_model.get((model.task, split, model.label))
            other = of_model.get((model.task, split, model.against))
            if own is None or other is None:
                continue
            reference = other[["value", "run"]].add_suffix("_of_reference")
            pairs = own.join(reference, how="inner").sort_index()
            if pairs.empty:
                continue
            about = {"task": model.task, "split": split, "model": model.label, "reference": model.against}
            error = (
                comparing.test_error(model.task, model.label, model.against)
                if split == HEADLINE_SPLIT  # of which outcomes of examples are known, which both models saw
                else math.hypot(own["standard_error"].mean(), other["standard_error"].mean())
            )
            found = paired_difference(own["value"], other["value"], scale_on(results, model.task, split), error)
            runs = (pairs["run"] + " " + pairs["run_of_reference"]).to_list()
            yield about | {
                "shows": "mean",
                "value": found.mean,
                "low": found.low,
                "high": found.high,
                "run": " ".join(runs),
            }
            values = pairs["value"] - pairs["value_of_reference"]
            for seed, value, run in zip(pairs.index, values, runs, strict=True):
                yield about | {"shows": "seed", "seed": seed, "value": value, "run": run}


def _order(results: Results, numbers: pd.DataFrame, task: str) -> list[str]:
    """The models from the top: best first, or as the ablation has them where one builds on another."""
    here = numbers[(numbers["task"] == task) & (numbers["shows"] == "mean")]
    labels = list(here["model"].unique())
    if _is_ladder(here):
        return labels
    metric = results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]
    on_test = here[here["split"] == HEADLINE_SPLIT].set_index("model")["value"].reindex(labels)
    return list(on_test.sort_values(ascending=metric in LESS_IS_BETTER, kind="stable").index)


def _is_ladder(numbers: pd.DataFrame) -> bool:
    return bool(numbers["reference"].isin(numbers["model"]).any())


def _name(numbers: pd.DataFrame, task: str, label: str) -> str:
    """The model in words, and its reference where models of the task have several."""
    here = numbers[numbers["task"] == task]
    name = model_name(family(label))
    if here["reference"].nunique() > 1 and not _is_ladder(here):
        name += f" minus {model_name(family(here.loc[here['model'] == label, 'reference'].iloc[0]))}"
    return fill(name, NAME_LETTERS)


def _draw(axes: Axes, numbers: pd.DataFrame, labels: list[str]) -> None:
    axes.axvline(0, color=INK, linewidth=0.9, zorder=0)
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    places = {label: place for place, label in enumerate(labels)}
    y = numbers["model"].map(places)
    means, seeds = numbers["shows"] == "mean", numbers["shows"] == "seed"
    seen: dict[str, Any] = {"color": COLOUR, "markersize": 2.5, "markeredgewidth": 0, "alpha": 0.7}
    axes.plot(numbers.loc[seeds, "value"], y[seeds] + 0.22, "o", gid="seeds", **seen)
    mean = numbers[means]
    bars = [mean["value"] - mean["low"], mean["high"] - mean["value"]]
    look: dict[str, Any] = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.4}
    axes.errorbar(mean["value"], y[means], xerr=bars, fmt="D", color=COLOUR, elinewidth=0.9, gid="mean", **look)


def _handles(numbers: pd.DataFrame) -> list[Line2D]:
    references = [model_name(family(label)) for label in numbers["reference"].unique()]
    if _is_ladder(numbers):
        reference = "reference: the model before it"
    else:
        reference = f"reference: {references[0]}" if len(references) == 1 else "reference"
    return [
        Line2D([], [], color=INK, linewidth=0.9, label=plain(reference)),
        Line2D([], [], color=COLOUR, marker="D", markersize=4.5, label="mean difference with interval"),
        SEED,
    ]
