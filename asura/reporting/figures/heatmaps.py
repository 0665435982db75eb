"""Figures that show a score over two settings as a heat map."""

from collections.abc import Mapping
from itertools import product
from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from asura.reporting.comparing import scale_on
from asura.reporting.figures.style import (
    NOT_SCORED,
    empty_figure,
    hide,
    panels,
    plain,
    say_what_is_left_out,
    some,
    styled,
    wrapped,
)
from asura.reporting.frames import (
    CELL,
    HEADLINE_SPLIT,
    NOT_RECURSIVE,
    STUDY_MODEL,
    Results,
    failures_by_model,
    family,
    headline_by_model,
    members,
    primary_scores,
    score_range,
)
from asura.reporting.statistics import MeanInterval, mean_interval

COLOURS = sns.color_palette("cividis", as_cmap=True)
BLANK = "0.92"
MOST_NUMBERS = 2000  # in one figure; where there would be more, the colours are all
LABEL_WIDTH = 14  # characters that stand beside the bar of one row
SIGNS = {"diverged": "†", "out of memory": "‡"}


@styled
def grid(results: Results) -> Figure:
    """Mean score at every n and i, for each recursive family and each of its controls."""
    table, scores, failed = members(results), headline_by_model(results), failures_by_model(results)
    cells = table[(table["label"] == table["cell"]) & (table["architecture"] != NOT_RECURSIVE)]
    table = table[table["cell"].isin(cells["label"])]
    if not any(key in scores for key in zip(table["task"], table["label"], strict=True)):
        return empty_figure(NOT_SCORED)
    table["role"] = table["role"].replace(STUDY_MODEL, CELL)
    every_row = list(table[["task", "cell_family"]].drop_duplicates().itertuples(index=False, name=None))
    rows = some(every_row)
    roles = list(table["role"].unique())
    axis_n, axis_i = sorted(table["cell_n"].unique()), sorted(table["cell_i"].unique())

    width, height = max(1.5, 0.55 * len(axis_i) + 0.5), max(1.4, 0.5 * len(axis_n) + 0.7)
    titles = [plain(of_family) for _, of_family in rows]
    figure, axes_grid = panels(len(rows), len(roles), width, height, titles, sharex=True, sharey=True)
    for row, (task, of_family) in zip(axes_grid, rows, strict=True):
        for axes, role in zip(row, roles, strict=True):
            means = pd.DataFrame(np.nan, index=axis_n, columns=axis_i)
            texts = pd.DataFrame("", index=axis_n, columns=axis_i)
            panel = (table["task"] == task) & (table["cell_family"] == of_family) & (table["role"] == role)
            for member in table[panel].itertuples():
                interval = mean_interval(scores.get((task, member.label), []), scale_on(results, task))
                place = member.cell_n, member.cell_i
                means.loc[place] = interval.mean
                texts.loc[place] = _annotation(interval, failed[task, member.label])
            _heat_map(axes, means, texts, score_range(results, task))
            axes.set_title(plain(of_family if role == CELL else role))
            axes.set(xlabel="iterations $i$", ylabel=f"{plain(task)}\nblocks $n$")
            axes.label_outer()
    _finish(figure, axes_grid, results, [task for task, _ in rows])
    say_what_is_left_out(figure, rows, every_row, "families of models")
    return figure


@styled
def train_against_evaluation_iterations(results: Results) -> Figure:
    """Mean score on the test split by iterations in training and at evaluation."""
    scores = primary_scores(results)
    scores = scores[(scores["split"] == HEADLINE_SPLIT) & (scores["architecture"] != NOT_RECURSIVE)]
    if scores.empty:
        return empty_figure(NOT_SCORED)
    scores = scores.assign(family=scores["label"].map(family)).sort_values("order", kind="stable")
    models = scores.groupby(["task", "family"], sort=False)
    every_row = [key for task in results.runs["task"].unique() for key, _ in models if key[0] == task]
    rows = some(every_row)
    columns = sorted(scores["n"].unique())
    trained, evaluated = sorted(scores["i"].unique()), sorted(scores["iterations"].unique())

    width, height = max(1.8, 0.36 * len(evaluated) + 0.3), max(1.5, 0.33 * len(trained) + 0.6)
    titles = [f"{plain(of_family)}, n = 1" for _, of_family in rows]
    wraps = wrapped(columns, width)
    rows_of_panels = list(product(wraps, rows))
    shape = len(rows_of_panels), len(wraps[0])
    numbered = len(rows) * len(columns) * len(trained) * len(evaluated) <= MOST_NUMBERS
    figure, axes_grid = panels(*shape, width, height, titles, sharex=True, sharey=True)
    for row, (columns_of_row, (task, of_family)) in zip(axes_grid, rows_of_panels, strict=True):
        hide(row[len(columns_of_row) :])
        for axes, n in zip(row, columns_of_row, strict=False):
            here = models.get_group((task, of_family)).query("n == @n")
            means = here.pivot_table(index="i", columns="iterations", values="value", aggfunc="mean")
            means = means.reindex(index=trained, columns=evaluated).astype(float)
            texts = means.map(lambda mean: f"{mean:.2f}" if numbered and not np.isnan(mean) else "")
            _heat_map(axes, means, texts, score_range(results, task))
            for y, i in enumerate(trained):
                if i in evaluated and not np.isnan(means.at[i, i]):
                    place = (evaluated.index(i), y)
                    axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor="black", linewidth=1.2))
            axes.set_title(f"{plain(of_family)}, $n = {n}$")
            axes.set(xlabel="iterations at evaluation", ylabel=f"{plain(task)}\ntrained $i$")
            axes.label_outer()
            if means.isna().all(axis=None):
                axes.text(0.5, 0.5, "not in the study", transform=axes.transAxes, ha="center", va="center")
    _finish(figure, axes_grid, results, [task for _, (task, _) in rows_of_panels])
    say_what_is_left_out(figure, rows, every_row, "families of models")
    return figure


def _heat_map(axes: Axes, means: pd.DataFrame, texts: pd.DataFrame, ends: tuple[float, float]) -> None:
    worst, best = ends
    sns.heatmap(
        means,
        ax=axes,
        annot=texts,
        fmt="",
        annot_kws={"fontsize": 6.5},
        vmin=min(ends),
        vmax=max(ends),
        cmap=COLOURS if worst <= best else COLOURS.reversed(),
        cbar=False,
        linewidths=0.8,
    )
    axes.set_facecolor(BLANK)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)


def _annotation(interval: MeanInterval, failed: Mapping[str, int]) -> str:
    bounds = "" if np.isnan(interval.low) else f"\n[{interval.low:.2f}, {interval.high:.2f}]"
    signs = "".join(SIGNS[failure] for failure, count in failed.items() if count)
    return f"{interval.mean:.2f}{signs}{bounds}"


def _finish(figure: Figure, axes_grid: np.ndarray, results: Results, tasks: list[str]) -> None:
    """One colour bar for each row: tasks differ in range."""
    for row, task in zip(axes_grid, tasks, strict=True):
        metric = results.runs.loc[results.runs["task"] == task, "metric"].iloc[0].replace("_", " ")
        label = fill(f"mean {metric}", LABEL_WIDTH)
        bar = figure.colorbar(row[0].collections[0], ax=list(row), label=label, aspect=15)
        bar.outline.set_visible(False)
