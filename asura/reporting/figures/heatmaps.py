"""Figures that show a score of a task over two settings as a heat map."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from asura.planning.outputs import NOT_RECURSIVE
from asura.reporting.comparing import Comparing
from asura.reporting.figures import marks
from asura.reporting.figures.palette import HEAT
from asura.reporting.figures.style import (
    NOT_SCORED,
    WIDTH,
    Drawn,
    Panels,
    beside,
    nothing,
    panels,
    say_what_is_left_out,
    some,
    styled,
)
from asura.reporting.frames import (
    CELL,
    HEADLINE_SPLIT,
    STUDY_MODEL,
    Results,
    failures_by_model,
    family,
    headline,
    members,
    primary_scores,
    score_range,
)
from asura.reporting.names import metric_name, model_name, role_name

MOST_NUMBERS = 400  # in one panel; where there would be more, the colours are all
MOST_COLUMNS = 16
"""Numbers of iterations at evaluation that are all drawn; of more, some are."""
SIGNS = {"diverged": "†", "out of memory": "‡"}


@styled
def grid(results: Results, task: str) -> Drawn:
    """Mean score at every n and i, for each recursive family and each of its controls."""
    table, failed = members(results), failures_by_model(results)
    table = table[table["task"] == task]
    cells = table[(table["label"] == table["cell"]) & (~table["architecture"].isin(NOT_RECURSIVE))]
    table = table[table["cell"].isin(cells["label"])]
    table["role"] = table["role"].replace(STUDY_MODEL, CELL)
    scores = marks.with_folders(headline(results))
    of_model = dict(list(scores[scores["task"] == task].groupby("label")))
    comparing, rows = Comparing(results), []
    for member in table.itertuples():
        if member.label in of_model:
            about = {"panel": _of_role(member.cell_family, member.role), "cell": member.cell, "model": member.label}
            about |= {"n": member.cell_n, "i": member.cell_i, "failed": _signs(failed[task, member.label])}
            rows += [marks.mean_row(about, of_model[member.label], comparing)]
    numbers = marks.as_numbers(rows, "panel", "cell", "model", "n", "i", "failed")
    every_panel = list(numbers["panel"].unique())
    if not every_panel:
        return nothing(NOT_SCORED)

    shown, axis_n, axis_i = some(every_panel), sorted(numbers["n"].unique()), sorted(numbers["i"].unique())
    drawn = panels(shown, 0.4 * len(axis_i) + 0.35, max(0.6, 0.36 * len(axis_n) + 0.15), sharex=True, sharey=True)
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["panel"] == panel]
        means = here.pivot(index="n", columns="i", values="value").reindex(index=axis_n, columns=axis_i)
        texts = pd.DataFrame("", index=axis_n, columns=axis_i)
        for row in here.itertuples():
            texts.loc[row.n, row.i] = _annotation(row)
        mesh = marks.heat_map(axes, means, texts, score_range(results, task), colours(results, task))
    finish(drawn, results, task, mesh, "iterations $i$", "blocks $n$")
    say_what_is_left_out(drawn.figure, len(shown), len(every_panel), "families and controls")
    return Drawn(drawn.figure, numbers)


@styled
def train_against_evaluation_iterations(results: Results, task: str) -> Drawn:
    """Mean score on the test split by iterations in training and at evaluation, for each family and n."""
    scores = primary_scores(results)
    scores = scores[(scores["task"] == task) & (scores["split"] == HEADLINE_SPLIT)]
    scores = marks.with_folders(scores[~scores["architecture"].isin(NOT_RECURSIVE)].sort_values("order", kind="stable"))
    if scores.empty:
        return nothing(NOT_SCORED)
    rows = []
    for (name, n, i, iterations), here in scores.assign(family=scores["label"].map(family)).groupby(
        ["family", "n", "i", "iterations"], sort=False
    ):
        about = {"panel": f"{model_name(name)}, n = {n}", "trained": i, "evaluated": iterations}
        mean = {"shows": "mean", "value": here["value"].mean(), "run": " ".join(here["run"])}
        rows.append(about | {"model": here["label"].iloc[0]} | mean)
    numbers = marks.as_numbers(rows, "panel", "model", "trained", "evaluated").drop(columns=["low", "high"])
    trained = sorted(numbers["trained"].unique())
    evaluated = columns_of(numbers["evaluated"], trained)
    numbers = numbers[numbers["evaluated"].isin(evaluated)]
    every_panel = list(numbers["panel"].unique())
    shown = some(every_panel)
    numbered = len(trained) * len(evaluated) <= MOST_NUMBERS

    width = min(WIDTH, 0.27 * len(evaluated) + 0.35)
    drawn = panels(shown, width, max(0.6, 0.22 * len(trained) + 0.15), sharex=True, sharey=True)
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["panel"] == panel]
        means = here.pivot(index="trained", columns="evaluated", values="value")
        means = means.reindex(index=trained, columns=evaluated)
        texts = means.map(lambda mean: short(mean) if numbered and not np.isnan(mean) else "")
        mesh = marks.heat_map(axes, means, texts, score_range(results, task), colours(results, task))
        for y, i in enumerate(trained):
            if i in evaluated and not np.isnan(means.at[i, i]):
                frame(axes, evaluated.index(i), y)
    finish(drawn, results, task, mesh, "iterations at evaluation", "trained $i$")
    say_what_is_left_out(drawn.figure, len(shown), len(every_panel), "families of models")
    return Drawn(drawn.figure, numbers)


def frame(axes: Axes, x: int, y: int) -> None:
    """A red frame around a square: there, evaluation is as training was."""
    look: dict[str, Any] = {"fill": False, "edgecolor": "#c0223b", "linewidth": 1.4, "zorder": 3}
    axes.add_patch(Rectangle((x, y), 1, 1, **look))


def columns_of(iterations: pd.Series, trained: Collection[int]) -> list[int]:
    """The numbers of iterations that a heat map shows: all or, of many, powers of 2, one between each, the trained."""
    every = sorted(iterations.unique())
    on_scale = {k << n for n in range(int(every[-1]).bit_length()) for k in (1, 3)}
    return every if len(every) <= MOST_COLUMNS else [t for t in every if t in on_scale or t in trained]


def _of_role(cell_family: str, role: str) -> str:
    name = model_name(cell_family)
    return name if role == CELL else f"{name}: {role_name(role)}"


def colours(results: Results, task: str) -> Any:
    """Bright is better."""
    worst, best = score_range(results, task)
    return HEAT if worst <= best else HEAT.reversed()


def _signs(failed: Any) -> str:
    return "".join(SIGNS[failure] for failure, count in failed.items() if count)


def _annotation(row: Any) -> str:
    interval = "" if np.isnan(row.low) else f"\n{short(row.low)}–{short(row.high)}"
    return f"{row.value:.2f}{row.failed}{interval}"


def short(value: float) -> str:
    """Two decimals, without the zero before them: `.62`."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}".rstrip("0").rstrip(".")


def finish(drawn: Panels, results: Results, task: str, mesh: Any, x: str, y: str) -> None:
    """Names, and one colour bar."""
    drawn.name(x, y)
    metric = results.runs.loc[results.runs["task"] == task, "metric"].iloc[0]
    colour_bar(drawn, mesh, f"mean {metric_name(metric)}")


def colour_bar(drawn: Panels, mesh: Any, name: str) -> None:
    """One colour bar for all panels."""
    every = [axes for layer in drawn.axes for axes in layer]
    bar = drawn.figure.colorbar(mesh, ax=every, aspect=max(25, 8 * drawn.figure.get_figheight()), pad=0.01)
    bar.set_label(beside(bar.ax, name))
    bar.outline.set_visible(False)
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face")  # else an image stands in the drawing
