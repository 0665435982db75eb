"""Figures of what a study asks beside final scores: scores over the steps of training, and at each difficulty."""

import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter, MaxNLocator

from asura.planning.outputs import NOT_RECURSIVE
from asura.reporting.figures import marks
from asura.reporting.figures.curves import draw_lines, handles_of_looks, lines_of, looks
from asura.reporting.figures.heatmaps import MOST_NUMBERS, colours, columns_of, finish, frame, short
from asura.reporting.figures.style import (
    NOT_SCORED,
    SEED_LINE,
    WIDTH,
    Drawn,
    legend,
    nothing,
    panels,
    say_what_is_left_out,
    some,
    styled,
)
from asura.reporting.frames import Results, in_primary_metric, members, score_range, splits_of
from asura.reporting.names import metric_name, model_name, spaced, split_name


@styled
def score_against_steps(results: Results, task: str) -> Drawn:
    """Score against steps of training, a panel for every split."""
    scores = _primary(results.snapshots, results, task)
    if scores.empty:
        return nothing(NOT_SCORED)
    splits, every_model = splits_of(scores, task), list(scores["label"].unique())
    models = some(every_model)
    scores = scores[scores["label"].isin(models) & scores["split"].isin(splits)]
    numbers = lines_of(scores, ["split", "label", "step"])
    table = members(results)
    series = table[table["task"] == task].drop_duplicates("label").set_index("label")["series"]
    trained = scores.drop_duplicates("label").set_index("label")["i"]
    look = looks(results, series[models], trained)

    drawn = panels([split_name(split) for split in splits], 1.7, 1.35, sharex=True, sharey=True)
    for axes, split in zip(drawn.axes[0], splits, strict=True):
        here = numbers[numbers["split"] == split]
        for label, model in reversed(list(here.groupby("label", sort=False))):
            draw_lines(axes, model, "step", *look[series[label], trained[label]])
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        marks.draw_levels(axes, results, task, split)
        ends = pd.DataFrame({name: scores["value"] for name in ("value", "low", "high")})
        marks.score_axis(axes, results, task, ends)
    drawn.name("steps of training", metric_name(scores["metric"].iloc[0]))
    say_what_is_left_out(drawn.figure, len(models), len(every_model), "models")
    legend(drawn.figure, [*handles_of_looks(look), SEED_LINE, *marks.level_handles(results, task, splits)])
    return Drawn(drawn.figure, numbers.rename(columns={"label": "model"}))


@styled
def difficulty_against_iterations(results: Results, task: str) -> Drawn:
    """Mean score by difficulty and iterations at evaluation, a panel for each recursive model and swept setting."""
    scores = _primary(results.sweep, results, task)
    scores = scores[~scores["architecture"].isin(NOT_RECURSIVE)]
    if scores.empty:
        return nothing(NOT_SCORED)
    several = scores["setting"].nunique() > 1
    columns = columns_of(scores["iterations"], set(scores["i"]))
    scores = scores[scores["iterations"].isin(columns)]
    rows = []
    about = ["setting", "label", "difficulty", "trained", "i", "iterations"]
    for (setting, label, value, trained, i, iterations), here in scores.groupby(about, sort=False):
        title = model_name(label) + (f", {spaced(setting)}" if several else "")
        row = {"panel": title, "model": label, "setting": setting, "difficulty": value, "evaluated": iterations}
        mean = {"shows": "mean", "value": here["value"].mean(), "run": " ".join(here["run"])}
        rows.append(row | {"trained": trained, "i": i} | mean)
    numbers = marks.as_numbers(rows, "panel", "model", "setting", "difficulty", "evaluated", "trained", "i")
    every_panel = list(numbers["panel"].unique())
    shown, hardest = some(every_panel), numbers.groupby("panel")["difficulty"].nunique().max()
    numbered = hardest * len(columns) <= MOST_NUMBERS

    width = min(WIDTH, 0.27 * len(columns) + 0.35)
    drawn = panels(shown, width, max(0.6, 0.22 * hardest + 0.15))
    for axes, panel in zip(drawn.axes[0], shown, strict=True):
        here = numbers[numbers["panel"] == panel]
        means = here.pivot(index="difficulty", columns="evaluated", values="value").reindex(columns=columns)
        texts = means.map(lambda mean: short(mean) if numbered and not np.isnan(mean) else "")
        mesh = marks.heat_map(axes, means, texts, score_range(results, task), colours(results, task))
        trained, i = here[["trained", "i"]].iloc[0]
        frame(axes, columns.index(i), list(means.index).index(trained))
    finish(drawn, results, task, mesh, "iterations at evaluation", _of_setting(scores))
    say_what_is_left_out(drawn.figure, len(shown), len(every_panel), "models")
    return Drawn(drawn.figure, numbers.drop(columns=["low", "high"]))


def _of_setting(scores: pd.DataFrame) -> str:
    settings = scores["setting"].unique()
    return spaced(settings[0]) if len(settings) == 1 else "difficulty"


def _primary(frame: pd.DataFrame, results: Results, task: str) -> pd.DataFrame:
    """The rows of a task in its primary metric, with the folders of the runs, in the order of the study."""
    scores = in_primary_metric(frame[frame["task"] == task], results)
    return marks.with_folders(scores).sort_values("order", kind="stable")
