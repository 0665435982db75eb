"""Figures of a task over time: over iterations at evaluation, and over training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from asura.planning.choices import VALIDATION
from asura.planning.outputs import NOT_RECURSIVE
from asura.planning.run_folder import FAILURES
from asura.reporting.figures import marks
from asura.reporting.figures.palette import LINES, Line, Style, styles
from asura.reporting.figures.style import (
    FAILURE_MARKS,
    MEAN_LINE,
    NOT_SCORED,
    SEED_LINE,
    Drawn,
    failure_handles,
    handles_of,
    legend,
    log_axis,
    nothing,
    panels,
    say_what_is_left_out,
    series_handle,
    some,
    styled,
)
from asura.reporting.frames import HEADLINE_SPLIT, Results, members, primary_scores, splits_of
from asura.reporting.names import metric_name, model_name, series_name, spaced, split_name, task_name

QUANTITIES = ("loss", "accuracy", "validation_accuracy")
"""What is measured during training; where it is measured on the validation split, accuracy on the batch is left out."""

MOST_TOGETHER = 8
"""Models whose scores over iterations share a panel; of more, each has a panel of its own."""

LINEAR_TO = 16
"""Iterations at evaluation up to which their axis is linear."""


@styled
def iterations_at_evaluation(results: Results, *tasks: str) -> Drawn:
    """Score against iterations at evaluation, a panel for every split and every n of the tasks.

    Where many models would share a panel, each has one of its own, on the test split.
    """
    scores = primary_scores(results)
    scores = scores[(~scores["architecture"].isin(NOT_RECURSIVE)) & scores["task"].isin(tasks)]
    scores = scores[scores["split"] != VALIDATION]
    if scores.empty:
        return nothing(NOT_SCORED)
    scores = marks.with_folders(scores).sort_values("order", kind="stable")
    table = members(results).drop_duplicates(["task", "label"]).set_index(["task", "label"])
    is_apart = scores.groupby(["task", "n"])["label"].nunique().max() > MOST_TOGETHER
    if is_apart:
        scores = scores[scores["split"] == HEADLINE_SPLIT]
    by = "label" if is_apart else "n"
    every_model = list(scores["label"].unique())
    models = some(every_model)
    scores = scores[scores["label"].isin(models)]
    titles = _titles(scores, tasks, by)
    shown = some(list(titles))
    places = zip(scores["task"], scores[by], scores["split"], strict=True)
    numbers = lines_of(scores.assign(panel=[titles[place] for place in places]), ["panel", "label", "iterations"])
    trained = scores.drop_duplicates("label").set_index("label")["i"]
    series = table.reset_index().drop_duplicates("label").set_index("label")["series"]
    look = looks(results, series[models], trained)
    several = trained.nunique() > 1 and not is_apart  # whose titles say it

    size = (1.25, 0.9) if is_apart else (1.7, 1.35)
    drawn = panels([titles[key] for key in shown], *size, sharex=True, sharey=len(tasks) == 1)
    for axes, (task, which, split) in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["panel"] == titles[task, which, split]]
        for label, model in reversed(list(here.groupby("label", sort=False))):
            style, line = look[series[label], trained[label]]
            draw_lines(axes, model, "iterations", style, line)
            means = model[model["shows"] == "mean"].set_index("iterations")["value"]
            if (i := trained[label]) in means:
                marks.trained_marker(axes, i, means[i], str(i) if several else "", style)
        whole_numbers(axes, scores["iterations"].max())
        marks.draw_levels(axes, results, task, split)
        marks.score_axis(axes, results, task)
    names = [metric_name(results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]) for task in tasks]
    x, y = "iterations" if is_apart else "iterations at evaluation", names[0] if len(set(names)) == 1 else "score"
    drawn.name(x, y, numbered="y" if len(tasks) > 1 else "")
    say_what_is_left_out(drawn.figure, len(models), len(every_model), "models")
    handles = [MEAN_LINE] if is_apart else handles_of_looks(look)
    splits = {split for _, _, split in shown}
    legend(drawn.figure, [*handles, SEED_LINE, *marks.level_handles(results, tasks[0], splits)])
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model"}))


def _titles(scores: pd.DataFrame, tasks: Sequence[str], by: str) -> dict[tuple[str, Any, str], str]:
    """The titles of the panels of each task, each value of a column and each split, in their order."""
    found = {}
    for task in tasks:
        of_task = scores[scores["task"] == task]
        for which in of_task[by].unique() if by == "label" else sorted(of_task[by].unique()):
            for split in splits_of(of_task[of_task[by] == which], task):
                parts = [task_name(task)] if len(tasks) > 1 else []
                parts.append(model_name(which) if by == "label" else split_name(split))
                parts += [f"n = {which}"] if by == "n" and scores["n"].nunique() > 1 else []
                found[task, which, split] = ", ".join(parts)
    return found


def whole_numbers(axes: Axes, most: int) -> None:
    """An x axis of whole numbers up to `most`; beyond LINEAR_TO, powers of two at equal distances."""
    if most <= LINEAR_TO:
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        return
    powers_of_two(axes, 8)


def powers_of_two(axes: Axes, most: int) -> None:
    """An x axis with powers of two at equal distances, about as many as this at most."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=most))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))


def looks(results: Results, series: pd.Series, trained: pd.Series) -> dict[tuple[str, int], tuple[Style, Line]]:
    """The style of a series, and a line style for each of its trained iterations."""
    look, found = styles(results), {}
    for name, labels in series.groupby(series, sort=False).groups.items():
        for place, i in enumerate(sorted(set(trained[labels]))):
            found[name, i] = look[name], LINES[place % len(LINES)]
    return found


def handles_of_looks(look: dict[tuple[str, int], tuple[Style, Line]]) -> list[Artist]:
    """The legend entries of series and their trained iterations."""
    return [series_handle(f"{series_name(name)}, i = {i}", style, line) for (name, i), (style, line) in look.items()]


@styled
def learning_curves(results: Results, task: str) -> Drawn:
    """Loss and accuracy against training tokens, a panel for each cell with its controls."""
    curves = results.curves[results.curves["task"] == task].replace([np.inf, -np.inf], np.nan)
    quantities = [quantity for quantity in QUANTITIES if curves[quantity].notna().any()]
    if not quantities:
        return nothing("No learning curve has been recorded.")
    if "validation_accuracy" in quantities:
        quantities.remove("accuracy")
    run, look = results.runs[results.runs["task"] == task].iloc[0], styles(results)
    key = ["task", "label", "seed"]
    curves = marks.with_folders(curves.merge(results.runs[[*key, "status"]], on=key))
    table = members(results)
    table = table[(table["task"] == task) & table["label"].isin(curves["label"])]
    every_cell = list(table["cell"].unique())
    cells = some(every_cell)
    table = table[table["cell"].isin(cells)]
    drawn_once = pd.concat([curves.assign(quantity=name, value=curves[name]) for name in quantities])
    of_members = table[["cell", "series", "label"]].merge(drawn_once.dropna(subset="value"), on="label")
    numbers = lines_of(of_members, ["quantity", "cell", "series", "label", "tokens"])

    titles = [model_name(cell) for cell in cells]
    drawn = panels(titles, 1.25, 1.15, layers=len(quantities), sharex=True, sharey=True)
    for quantity, layer in zip(quantities, drawn.axes, strict=True):
        for axes, cell in zip(layer, cells, strict=True):
            here = numbers[(numbers["quantity"] == quantity) & (numbers["cell"] == cell)]
            for series, model in reversed(list(here.groupby("series", sort=False))):
                draw_lines(axes, model, "tokens", look[series], "-")
                _draw_end(axes, model, look[series])
            log_axis(axes, curves["tokens"], max(2, 8 // drawn.columns))
            if quantity.removeprefix("validation_") == run["metric"]:
                marks.draw_levels(axes, results, task)
    drawn.name("training tokens", *map(spaced, quantities))
    say_what_is_left_out(drawn.figure, len(cells), len(every_cell), "models")
    shown = {name: style for name, style in look.items() if name in set(table["series"])}
    is_scored = any(quantity.removeprefix("validation_") == run["metric"] for quantity in quantities)
    levels = marks.level_handles(results, task) if is_scored else []
    legend(drawn.figure, [*handles_of(shown), SEED_LINE, *levels, *failure_handles(numbers)])
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model"}))


def lines_of(rows: pd.DataFrame, about: list[str]) -> pd.DataFrame:
    """What lines show: every seed, the mean of those that have not failed, and where and how the others end.

    about: the columns that say where a value belongs, of which the last is the x axis.
    """
    failed = rows["status"].isin(FAILURES) if "status" in rows else pd.Series(False, index=rows.index)
    means = rows[~failed].groupby(about, sort=False).agg(value=("value", "mean"), run=("run", " ".join)).reset_index()
    means = means.sort_values(about[-1], kind="stable")
    seeds = rows.sort_values(["seed", about[-1]], kind="stable")
    parts = [means.assign(shows="mean"), seeds.assign(shows="seed")]
    if failed.any():
        ends = seeds[seeds["status"].isin(FAILURES)].drop_duplicates([*about[:-1], "seed"], keep="last")
        parts.append(ends.assign(shows=ends["status"]))
    numbers = pd.concat(parts)[[*about, "shows", "seed", "value", "run"]].astype({"seed": "Int64"})
    groups = numbers.groupby(about[:-1], sort=False).ngroup()
    return numbers.iloc[groups.argsort(kind="stable")].reset_index(drop=True)


def draw_lines(axes: Axes, rows: pd.DataFrame, x: str, style: Style, line: Line) -> None:
    """A thick line for the mean, a thin one for each seed."""
    for _, seed in rows[rows["shows"] == "seed"].groupby("seed"):
        axes.plot(seed[x], seed["value"], color=style.colour, linewidth=0.5, alpha=0.5, linestyle=line, gid="seeds")
    mean = rows[rows["shows"] == "mean"]
    axes.plot(mean[x], mean["value"], color=style.colour, linewidth=1.2, linestyle=line, gid="mean")


def _draw_end(axes: Axes, rows: pd.DataFrame, style: Style) -> None:
    """A marker where the mean ends, which tells lines over each other apart, and a mark where a run failed."""
    look: dict[str, Any] = {
        "color": style.colour,
        "markersize": 4.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.4,
    }
    end = rows[rows["shows"] == "mean"].tail(1)
    axes.plot(end["tokens"], end["value"], style.marker, **look)
    for failed in rows[rows["shows"].isin(FAILURES)].itertuples():
        axes.plot(failed.tokens, failed.value, FAILURE_MARKS[failed.shows], color=style.colour, markersize=5)
