"""What the figures of a task show."""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from asura.reporting.figures import FIGURES
from asura.reporting.figures.style import Drawn
from asura.reporting.frames import CONTROLS, Results
from asura.reporting.names import role_name
from tests.reporting.conftest import (
    BATCH,
    DIVERGED,
    GRID,
    LENGTH,
    Figures,
    cells_and_controls,
    crosses,
    headline_scores,
    lines,
    mean_and_bounds,
    panels,
)

LABELS = {
    "score_against_iterations": ("iterations in training $i$", {"accuracy"}),
    "grid": ("iterations $i$", {"blocks $n$"}),
    "train_against_evaluation_iterations": ("iterations at evaluation", {"trained $i$"}),
    "iterations_at_evaluation": ("iterations at evaluation", {"accuracy"}),
    "learning_curves": ("training tokens", {"loss", "accuracy"}),
    "score_against_steps": ("steps of training", {"accuracy"}),
    "difficulty_against_iterations": ("iterations at evaluation", {"hops"}),
    "score_against_examples": ("training examples", {"accuracy"}),
    "score_against_parameters": ("parameters without embedding", {"accuracy"}),
    "score_against_flops": ("training FLOPs in total", {"accuracy"}),
}
TEST_ERROR = 0.004  # of every score
SCORES = ["score_against_iterations", "score_against_parameters", "score_against_flops"]
NAMES = [role_name(control) for control in CONTROLS]
NAME = {"asura": "ASURA", **dict(zip(CONTROLS, NAMES, strict=True))}


def heights(axes: Axes, gid: str) -> list[float]:
    return sorted(np.concatenate([line.get_ydata() for line in lines(axes, gid)]))


def is_drawn(axes: Axes, means: pd.Series) -> bool:
    data = (line.get_data() for line in lines(axes, "mean"))
    return any(list(x) == list(means.index) and np.allclose(y, means) for x, y in data)


def entries(figure: Figure) -> dict[str, tuple]:
    """Name to colour in the legend."""
    (legend,) = figure.legends
    return {str(handle.get_label()): to_rgb(handle.get_color()) for handle in legend.legend_handles}


@pytest.mark.parametrize("name", FIGURES)
def test_the_outer_panels_name_what_they_show(name: str, drawn: Figures):
    grid, (x, y) = panels(drawn[name].figure), LABELS[name]
    places = [axes.get_subplotspec() for axes in grid]
    for axes, place in zip(grid, places, strict=True):
        below = [p for p in places if p.colspan == place.colspan and p.rowspan.start > place.rowspan.start]
        assert axes.get_xlabel() == ("" if below else x)
        assert bool(axes.get_ylabel()) == place.is_first_col()
    assert {axes.get_ylabel() for axes in grid} - {""} == y
    assert {axes.get_ylabel() for axes in drawn[name].figure.axes if axes not in grid} <= {"mean accuracy"}


@pytest.mark.parametrize("name", SCORES)
def test_every_model_has_its_mean_interval_and_seeds(name: str, results: Results, drawn: Figures):
    scores, colours = headline_scores(results), entries(drawn[name].figure)
    assert list(colours)[-4:] == ["mean with interval", "one seed", "chance", "diverged"]
    shown = {"ASURA, n = 1": "asura-n1", "ASURA, complete, n = 1": "asura_full-n1", "ASURA, n = 2": "asura-n2"}
    assert [axes.get_title() for axes in drawn[name].figure.axes] == list(shown)
    for cells, axes in zip(shown.values(), drawn[name].figure.axes, strict=True):
        here = [scores[task, label].values() for task, cell, _, label in cells_and_controls(results) if cells in cell]
        means, lows, highs = zip(*(mean_and_bounds(values, TEST_ERROR) for values in here), strict=True)
        assert heights(axes, "mean") == pytest.approx(sorted(means))
        assert heights(axes, "seeds") == pytest.approx(sorted(value for values in here for value in values))
        errors = [line.lines[2][0] for line in axes.containers if isinstance(line, ErrorbarContainer)]
        bars = np.array([bar for error in errors for bar in error.get_segments()])
        assert sorted(bars[:, :, 1].flat) == pytest.approx(sorted([*lows, *highs]), rel=1e-5)
        assert [0.25, 0.25] in [np.asarray(line.get_ydata()).tolist() for line in axes.lines]  # chance
        assert [to_rgb(cross.get_color()) for cross in crosses(axes)] == ([colours["ASURA"]] if "n2" in cells else [])


@pytest.mark.parametrize(("name", "cost"), [("parameters", "parameters"), ("flops", "training_flops")])
def test_a_model_stands_at_its_cost_in_the_colour_of_its_legend(name: str, cost: str, build: Callable):
    results = build([("asura", 1, 2), ("asura", 1, 4)])
    figure = FIGURES[f"score_against_{name}"](results, "phop").figure
    (axes,), colours, scores = figure.axes, entries(figure), headline_scores(results)
    assert axes.get_xscale() == "log"
    assert list(colours) == ["ASURA", *NAMES, "mean with interval", "one seed", "chance"]
    costs = dict(zip(results.runs["label"], results.runs[cost], strict=True))
    for role in ["asura", *CONTROLS]:
        (line,) = (line for line in lines(axes, "mean") if to_rgb(line.get_color()) == colours[NAME[role]])
        labels = [label for *_, r, label in cells_and_controls(results) if r.replace("cell", "asura") == role]
        expected = sorted(
            (costs[label], mean_and_bounds(scores["phop", label].values(), TEST_ERROR)[0]) for label in labels
        )
        assert np.transpose(line.get_data()) == pytest.approx(np.array(expected))
    assert [text.get_text() for text in axes.texts].count("4") == len(CONTROLS) + 1


def test_models_stand_beside_each_other_around_the_tick_of_their_iterations(drawn: Figures):
    for axes in drawn["score_against_iterations"].figure.axes:
        assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "4"]
        assert axes.get_xticks().tolist() == [0, 1]
        places = np.sort(np.concatenate([line.get_xdata(orig=False) for line in lines(axes, "mean")]))
        assert np.diff(places).min() > 0.05
        trained = {1} if "complete" in axes.get_title() else {0, 1}
        assert np.abs(places - places.round()).max() < 0.4 and set(places.round()) == trained


def test_the_grid_shows_mean_and_interval_of_every_cell_and_control(results: Results, drawn: Figures):
    scores, grid = headline_scores(results), panels(drawn["grid"].figure)
    families = [("ASURA", NAMES), ("ASURA, complete", NAMES)]
    titles = [title for family, names in families for title in [family, *(f"{family}: {name}" for name in names)]]
    assert [" ".join(axes.get_title().split()) for axes in grid] == titles
    shown = {text.get_text().split("\n")[0] for axes in grid for text in axes.texts}
    intervals = {text.get_text().split("\n")[1] for axes in grid for text in axes.texts}
    for task, _, _, label in cells_and_controls(results):
        mean, low, high = mean_and_bounds(scores[task, label].values(), TEST_ERROR)
        assert f"{mean:.2f}{'†' if label == DIVERGED[0] else ''}" in shown
        if high < 0.99:
            assert f"{low:.2f}–{high:.2f}".replace("0.", ".") in intervals
    assert sum(len(axes.texts) for axes in grid) == len(cells_and_controls(results))


def test_scores_of_other_iterations_at_evaluation_stand_at_them(results: Results, drawn: Figures):
    means = results.scores.groupby(["split", "label", "iterations"])["value"].mean()["test"]
    grid = panels(drawn["train_against_evaluation_iterations"].figure)
    titles = [f"{name}, n = {n}" for n in (1, 2) for name in ("ASURA", "bare recursion")]
    assert sorted(axes.get_title() for axes in grid) == sorted([*titles, "ASURA, complete, n = 1"])
    for n in (1, 2):
        (axes,) = (axes for axes in grid if axes.get_title() == f"ASURA, n = {n}")
        expected = [mean for i in (2, 4) for mean in means[f"asura-n{n}-i{i}"]]
        assert [float(text.get_text()) for text in axes.texts] == pytest.approx(expected, abs=0.0051)
        frames = [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]
        assert frames == [(1, 0), (3, 1)]  # where trained 2 and 4 meet evaluated 2 and 4


def test_curves_over_iterations_at_evaluation(results: Results, drawn: Figures):
    figure, splits = drawn["iterations_at_evaluation"].figure, ["test", "hops_4", "length_64"]
    titles = [f"{split.replace('_', ' ')}, n = {n}" for n in (1, 2) for split in splits]
    assert [axes.get_title() for axes in figure.axes] == titles
    models = [
        "ASURA, i = 2",
        "ASURA, i = 4",
        "equal blocks (bare recursion), i = 2",
        "equal blocks (bare recursion), i = 4",
        "ASURA, complete, i = 4",
    ]
    assert set(entries(figure)) == {*models, "one seed", "chance"}
    means = results.scores.groupby(["split", "label", "iterations"])["value"].mean()
    for axes, split in zip(figure.axes, splits, strict=False):
        labels = [f"{family}-n1-i{i}" for family in ("asura", "bare") for i in (2, 4)] + ["asura_full-n1-i4"]
        assert len(lines(axes, "mean")) == len(labels)
        assert all(is_drawn(axes, means[split, label]) for label in labels)
        assert len(heights(axes, "seeds")) == 3 * (4 + 4 + 8 + 8 + 8)


def far_beyond(results: Results, numbers: list[int]) -> Results:
    """The study, evaluated at other numbers of iterations."""
    first = results.scores.drop_duplicates(["task", "label", "seed", "split", "metric"])
    return results._replace(scores=pd.concat([first.assign(iterations=t) for t in numbers]))


def test_far_beyond_training_the_axis_of_iterations_is_of_powers_of_two(build: Callable):
    results = build([("asura", 1, 2), ("asura", 1, 4)], seeds=(0,), diverged=())
    assert FIGURES["iterations_at_evaluation"](results, "phop").figure.axes[0].get_xscale() == "linear"
    figure = FIGURES["iterations_at_evaluation"](far_beyond(results, [*range(1, 65)]), "phop").figure
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_xlim()
    labels = [text for text in figure.axes[0].get_xticklabels() if low <= text.get_position()[0] <= high]
    assert figure.axes[0].get_xscale() == "log"
    assert [text.get_text() for text in labels] == ["1", "2", "4", "8", "16", "32", "64"]


def test_a_heat_map_of_many_iterations_shows_some_of_them_with_the_trained_ones(build: Callable):
    results = far_beyond(build([("asura", 1, 2), ("asura", 1, 8)], seeds=(0,), diverged=()), [*range(1, 65)])
    figure, numbers = FIGURES["train_against_evaluation_iterations"](results, "phop")
    shown = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    figure.draw_without_rendering()
    axes = panels(figure)[-1]
    assert [int(text.get_text()) for text in axes.get_xticklabels()] == shown == sorted(numbers["evaluated"].unique())
    frames = [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert frames == [(1, 0), (5, 1)]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert boxes and not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_figures_leave_out_the_split_on_which_settings_are_chosen(build: Callable):
    results = build([("asura", 1, 2)], seeds=(0,), diverged=())
    chosen = results.scores[results.scores["split"] == "test"].assign(split="validation")
    figure = FIGURES["iterations_at_evaluation"](
        results._replace(scores=pd.concat([results.scores, chosen])), "phop"
    ).figure
    assert [axes.get_title() for axes in figure.axes] == ["test", "hops 4", "length 64"]


def test_learning_curves_show_every_seed_and_the_mean_of_the_finished_ones(results: Results, drawn: Figures):
    cells = [f"{family}-n{n}-i{i}" for family, n, i in GRID]
    wraps = [cells[:3], cells[3:]]
    places = sorted(drawn["learning_curves"].figure.axes, key=lambda axes: axes.get_subplotspec().num1)
    shown = [(quantity, cell) for wrap in wraps for quantity, cell in product(("loss", "accuracy"), wrap)]
    diverged = (results.curves["label"] == DIVERGED[0]) & (results.curves["seed"] == DIVERGED[1])
    means = results.curves[~diverged].groupby(["label", "tokens"])[["loss", "accuracy"]].mean()
    for axes, (quantity, cell) in zip(places, shown, strict=True):
        assert axes.get_xscale() == "log"
        labels = [label for _, of_cell, _, label in cells_and_controls(results) if of_cell == cell]
        assert len(lines(axes, "mean")) == len(labels) and len(lines(axes, "seeds")) == 3 * len(labels)
        assert all(is_drawn(axes, means[quantity][label]) for label in labels)
        ends = [line.get_xdata()[0] for line in crosses(axes)]
        assert ends == ([350 * BATCH * LENGTH] if cell == DIVERGED[0] else [])


def test_the_best_shortcut_of_a_split_is_drawn_and_named(build: Callable):
    results = build([("asura", 1, 2), ("asura", 1, 4)], seeds=(0,), diverged=())
    levels = results.scores["split"].map({"test": 0.41, "hops_4": 0.5, "length_64": 0.6})
    results = results._replace(scores=results.scores.assign(shortcut=levels, rule="one_hop"))
    figure = FIGURES["iterations_at_evaluation"](results, "phop").figure
    assert "best shortcut (one hop)" in entries(figure)
    drawn = [{y for line in axes.lines for y in np.asarray(line.get_ydata()).tolist()} for axes in figure.axes]
    assert all(level in ys for level, ys in zip((0.41, 0.5, 0.6), drawn, strict=True))


def test_intervals_and_the_best_shortcut_are_in_sight_where_all_scores_are_low(build: Callable):
    results = build([("asura", 1, 2)], seeds=(0, 1), diverged=())
    low = results.scores.assign(value=results.scores["value"] / 3, shortcut=0.55, rule="one_hop")
    figure, numbers = FIGURES["score_against_flops"](results._replace(scores=low), "phop")
    bottom, top = figure.axes[0].get_ylim()
    assert numbers["high"].max() > low["value"].max()
    assert bottom < numbers["low"].min() and max(0.55, numbers["high"].max()) < top < 1


@pytest.mark.parametrize(("trained", "texts"), [((2, 4), {"2", "4"}), ((4,), set())])
def test_the_trained_iterations_are_written_where_models_differ_in_them(trained: tuple, texts: set, build: Callable):
    results = build([("asura", 1, i) for i in trained], seeds=(0,), diverged=())
    axes = FIGURES["iterations_at_evaluation"](results, "phop").figure.axes[0]
    assert {text.get_text() for text in axes.texts} == texts
    points = [line for line in axes.lines if np.size(line.get_xdata()) == 1 and line.get_marker() != "None"]
    assert {float(np.squeeze(point.get_xdata())) for point in points} == set(trained)


def test_many_models_over_iterations_have_a_panel_each_on_the_test_split(build: Callable):
    results = build([(name, 1, i) for name in ("asura", "asura_full") for i in (1, 2, 4, 8)], seeds=(0,), diverged=())
    figure, numbers = FIGURES["iterations_at_evaluation"](results, "phop")
    models = list(dict.fromkeys(numbers["model"]))
    assert len(models) > 8 and len(figure.axes) == len(models) == numbers["panel"].nunique()
    test = results.scores[(results.scores["split"] == "test") & (results.scores["metric"] == "accuracy")]
    for label, own in numbers[numbers["shows"] == "seed"].groupby("model"):
        expected = test[test["label"] == label].sort_values("iterations")
        assert own["value"].tolist() == expected["value"].tolist()


def test_learning_curves_show_the_validation_split_where_it_was_measured(build: Callable):
    results = build([("asura", 1, 2)], seeds=(0,), diverged=())
    measured = results.curves["accuracy"].where(results.curves["step"] % 100 == 0) - 0.1
    results = results._replace(curves=results.curves.assign(validation_accuracy=measured))
    figure, numbers = FIGURES["learning_curves"](results, "phop")
    assert [axes.get_ylabel().replace("\n", " ") for axes in figure.axes] == ["loss", "validation accuracy"]
    shown = numbers[(numbers["quantity"] == "validation_accuracy") & (numbers["shows"] == "seed")]
    assert sorted(shown["value"]) == pytest.approx(sorted(measured.dropna()))


def test_each_failure_has_its_own_mark(build: Callable):
    failing = {"diverged": [("asura-n1-i2", 1)], "out_of_memory": [("asura-n1-i2", 0), ("bare-n1-i2", 0)]}
    study = build([("asura", 1, 2)], **failing)
    for name in [*SCORES, "learning_curves"]:
        figure = FIGURES[name](study, "phop").figure
        assert list(entries(figure))[-2:] == ["diverged", "out of memory"]
        marks = [str(line.get_marker()) for line in figure.axes[0].lines if line.get_marker() in ("x", "+")]
        assert sorted(marks) == ["+", "+", "x"]
    texts = [text.get_text() for axes in FIGURES["grid"](study, "phop").figure.axes for text in axes.texts]
    assert [text for text in texts if "†" in text] == [text for text in texts if "†‡" in text] != []
    assert len([text for text in texts if "‡" in text]) == 2


def test_two_series_never_look_the_same(build: Callable):
    results = build([("asura", n, i) for n in (1, 2) for i in (1, 2, 4)], seeds=(0,), diverged=())
    figures: list[Drawn] = [FIGURES[name](results, "phop") for name in (*SCORES, "iterations_at_evaluation")]
    for drawn in figures:
        (legend,) = drawn.figure.legends
        looks = [
            (handle.get_color(), handle.get_marker(), vars(handle)["_unscaled_dash_pattern"], handle.get_linewidth())
            for handle in legend.legend_handles
        ]
        names = [handle.get_label() for handle in legend.legend_handles]
        assert len(set(names)) == len(names)
        assert len(set(map(str, looks))) == len(looks)
