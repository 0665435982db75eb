import re
from collections.abc import Callable
from itertools import combinations, pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from asura.reporting.figures import FIGURES, style, write_figures
from asura.reporting.figures.style import write_figure
from asura.reporting.frames import CONTROLS, Results
from tests.reporting.conftest import (
    BATCH,
    DIVERGED,
    GRID,
    LENGTH,
    cells_and_controls,
    crosses,
    headline_scores,
    lines,
    mean_and_bounds,
    panels,
)

LABELS = {
    "score_against_iterations": ("trained iterations $i$", "phop\naccuracy"),
    "grid": ("iterations $i$", "phop\nblocks $n$"),
    "train_against_evaluation_iterations": ("iterations at evaluation", "phop\ntrained $i$"),
    "iterations_at_evaluation": ("iterations at evaluation", "phop\naccuracy, $n = 1$"),
    "learning_curves": ("training tokens", "phop\nloss"),
    "score_against_parameters": ("non-embedding parameters", "phop\naccuracy"),
    "score_against_flops": ("total training FLOPs", "phop\naccuracy"),
}
SCORES = ["score_against_iterations", "score_against_parameters", "score_against_flops"]


@pytest.fixture(scope="module")
def drawn(results: Results) -> dict[str, Figure]:
    return {name: draw(results) for name, draw in FIGURES.items()}


def heights(axes: Axes, gid: str) -> list[float]:
    return sorted(np.concatenate([line.get_ydata() for line in lines(axes, gid)]))


def is_drawn(axes: Axes, means: pd.Series) -> bool:
    data = (line.get_data() for line in lines(axes, "mean"))
    return any(list(x) == list(means.index) and np.allclose(y, means) for x, y in data)


def legend_colours(figure: Figure) -> dict[str, tuple]:
    (legend,) = figure.legends
    return {str(handle.get_label()): to_rgb(handle.get_color()) for handle in legend.legend_handles}


@pytest.mark.parametrize("name", FIGURES)
def test_every_study_can_be_drawn_and_no_label_is_over_another(name: str, studies: dict[str, Results]):
    for study, results in studies.items():
        figure = FIGURES[name](results)
        figure.draw_without_rendering()
        if study == "nothing" or (study == "all diverged" and name != "learning_curves"):
            assert not figure.axes and re.match("No .* (score|curve)", figure.texts[0].get_text())
        for axes in panels(figure):
            assert axes.has_data()
            boxes = [label.get_window_extent() for label in axes.get_xticklabels(which="both") if label.get_text()]
            places = sorted((box.x0, box.x1) for box in boxes if axes.bbox.x0 <= np.mean(box.intervalx) <= axes.bbox.x1)
            assert all(end < start for (_, end), (start, _) in pairwise(places)), study


def without_tall_cells(results: Results, task: str) -> Results:
    """The results with one block alone on a task."""

    def kept(frame: pd.DataFrame, label: str) -> pd.DataFrame:
        return frame[(frame["task"] != task) | ~frame[label].str.contains("-n2-i")]

    roles = kept(results.roles, "control_of")
    models = pd.concat([roles[["task", "label"]], roles[["task", "control_of"]].set_axis(["task", "label"], axis=1)])
    left = set(models.itertuples(index=False, name=None))
    frames = results._replace(roles=roles)

    def of_those(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[[key in left for key in zip(frame["task"], frame["label"], strict=True)]]

    return Results(*(frame if name == "roles" else of_those(frame) for name, frame in frames._asdict().items()))


@pytest.mark.parametrize("name", ["score_against_iterations", "score_against_parameters", "learning_curves"])
def test_a_panel_over_an_empty_one_has_the_ticks_and_the_name_of_its_axis(name: str, build):
    figure = FIGURES[name](without_tall_cells(build(GRID[:4], tasks=("phop", "text")), "text"))
    figure.canvas.draw()
    rows: dict[int, list[tuple[int, Axes]]] = {}
    for axes in panels(figure):
        if axes.get_visible():
            place = axes.get_subplotspec()
            rows.setdefault(place.colspan.start, []).append((place.rowspan.start, axes))
    lowest = [max(column, key=lambda item: item[0]) for column in rows.values()]
    assert len({row for row, _ in lowest}) == 2
    for _, axes in lowest:
        assert axes.get_xlabel() == LABELS[name][0]
        assert any(label.get_visible() and label.get_text() for label in axes.get_xticklabels())


@pytest.mark.parametrize("name", FIGURES)
def test_the_outer_panels_name_what_they_show(name: str, drawn: dict[str, Figure]):
    grid, (x, y) = panels(drawn[name]), LABELS[name]
    for axes in grid:
        place = axes.get_subplotspec()
        assert axes.get_xlabel() == (x if place.is_last_row() else "")
        assert bool(axes.get_ylabel()) == place.is_first_col()
    assert grid[0].get_ylabel() == y
    assert {axes.get_ylabel() for axes in drawn[name].axes if axes not in grid} <= {"mean accuracy"}


@pytest.mark.parametrize("name", SCORES)
def test_every_model_has_its_mean_interval_and_seeds(name: str, results: Results, drawn: dict[str, Figure]):
    scores, colours = headline_scores(results), legend_colours(drawn[name])
    assert list(colours)[-3:] == ["chance", "one seed", "diverged"]
    assert [axes.get_title() for axes in drawn[name].axes] == ["$n = 1$", "$n = 2$"]
    for n, axes in zip((1, 2), drawn[name].axes, strict=True):
        here = [scores[task, label].values() for task, cell, _, label in cells_and_controls(results) if f"n{n}" in cell]
        means, lows, highs = zip(*map(mean_and_bounds, here), strict=True)
        assert heights(axes, "mean") == pytest.approx(sorted(means))
        assert heights(axes, "seeds") == pytest.approx(sorted(value for values in here for value in values))
        errors = [line.lines[2][0] for line in axes.containers if isinstance(line, ErrorbarContainer)]
        bars = np.array([bar for error in errors for bar in error.get_segments()])
        assert sorted(bars[:, :, 1].flat) == pytest.approx(sorted([*lows, *highs]), rel=1e-5)
        assert [0.25, 0.25] in [np.asarray(line.get_ydata()).tolist() for line in axes.lines]  # chance
        assert [to_rgb(cross.get_color()) for cross in crosses(axes)] == ([colours["asura"]] if n == 2 else [])


@pytest.mark.parametrize(("name", "cost"), [("parameters", "parameters"), ("flops", "training_flops")])
def test_a_model_stands_at_its_cost_in_the_colour_of_its_legend(name: str, cost: str, build: Callable):
    results = build([("asura", 1, 2), ("asura", 1, 4)])
    figure = FIGURES[f"score_against_{name}"](results)
    (axes,), colours, scores = figure.axes, legend_colours(figure), headline_scores(results)
    assert axes.get_xscale() == "log"
    assert list(colours) == ["asura", *CONTROLS, "chance", "one seed"]
    costs = dict(zip(results.runs["label"], results.runs[cost], strict=True))
    for role in ["asura", *CONTROLS]:
        (line,) = (line for line in lines(axes, "mean") if to_rgb(line.get_color()) == colours[role])
        labels = [label for *_, r, label in cells_and_controls(results) if r.replace("cell", "asura") == role]
        expected = sorted((costs[label], mean_and_bounds(scores["phop", label].values())[0]) for label in labels)
        assert np.transpose(line.get_data()) == pytest.approx(np.array(expected))
    assert [text.get_text() for text in axes.texts].count("4") == len(CONTROLS) + 1


def test_models_stand_at_their_trained_iterations_and_beside_each_other(drawn: dict[str, Figure]):
    for axes in drawn["score_against_iterations"].axes:
        assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "4"]
        places = np.sort(np.concatenate([line.get_xdata(orig=False) for line in lines(axes, "mean")]))
        assert np.diff(places).min() > 0.05
        assert set(places.round()) == {0, 1}


def test_the_grid_shows_mean_and_interval_of_every_cell_and_control(results: Results, drawn: dict[str, Figure]):
    scores, grid = headline_scores(results), panels(drawn["grid"])
    assert [axes.get_title() for axes in grid] == ["asura", *CONTROLS, "asura_full", *CONTROLS]
    expected = []
    for task, _, _, label in cells_and_controls(results):
        mean, low, high = mean_and_bounds(scores[task, label].values())
        expected.append(f"{mean:.2f}{'†' if label == DIVERGED[0] else ''}\n[{low:.2f}, {high:.2f}]")
    assert sorted(text.get_text() for axes in grid for text in axes.texts) == sorted(expected)


def test_scores_of_other_iterations_at_evaluation_stand_at_them(results: Results, drawn: dict[str, Figure]):
    means = results.scores.groupby(["split", "label", "iterations"])["value"].mean()["test"]
    grid = panels(drawn["train_against_evaluation_iterations"])
    titles = [f"{family}, $n = {n}$" for family in ("asura", "bare", "asura_full") for n in (1, 2)]
    assert [axes.get_title() for axes in grid] == titles
    for n, axes in zip((1, 2), grid, strict=False):
        expected = [f"{mean:.2f}" for i in (2, 4) for mean in means[f"asura-n{n}-i{i}"]]
        assert [text.get_text() for text in axes.texts] == expected
        frames = [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]
        assert frames == [(1, 0), (3, 1)]  # where trained 2 and 4 meet evaluated 2 and 4


def test_curves_over_iterations_at_evaluation(results: Results, drawn: dict[str, Figure]):
    figure, splits = drawn["iterations_at_evaluation"], ["test", "hops_4", "length_64"]
    assert [axes.get_title() for axes in figure.axes] == splits + [""] * 3
    assert list(legend_colours(figure)) == ["asura", "asura_full", "iso_recursion", "chance", "one seed"]
    means = results.scores.groupby(["split", "label", "iterations"])["value"].mean()
    for axes, split in zip(figure.axes, splits, strict=False):
        labels = [f"{family}-n1-i{i}" for family in ("asura", "bare") for i in (2, 4)] + ["asura_full-n1-i4"]
        assert len(lines(axes, "mean")) == len(labels)
        assert all(is_drawn(axes, means[split, label]) for label in labels)
        assert len(heights(axes, "seeds")) == 3 * (4 + 4 + 8 + 8 + 8)


def test_learning_curves_are_means_of_the_finished_seeds(results: Results, drawn: dict[str, Figure]):
    grid, cells = drawn["learning_curves"].axes, [f"{family}-n{n}-i{i}" for family, n, i in GRID]
    assert [axes.get_title() for axes in grid] == cells + [""] * len(cells)
    diverged = (results.curves["label"] == DIVERGED[0]) & (results.curves["seed"] == DIVERGED[1])
    means = results.curves[~diverged].groupby(["label", "tokens"])[["loss", "accuracy"]].mean()
    for axes, (quantity, cell) in zip(grid, product(("loss", "accuracy"), cells), strict=True):
        assert axes.get_xscale() == "log"
        labels = [label for _, of_cell, _, label in cells_and_controls(results) if of_cell == cell]
        assert len(lines(axes, "mean")) == len(labels)
        assert all(is_drawn(axes, means[quantity][label]) for label in labels)
        ends = [line.get_xdata()[0] for line in crosses(axes)]
        assert ends == ([350 * BATCH * LENGTH] if cell == DIVERGED[0] else [])


def test_each_failure_has_its_own_mark(build: Callable):
    failing = {"diverged": [("asura-n1-i2", 1)], "out_of_memory": [("asura-n1-i2", 0), ("bare-n1-i2", 0)]}
    study = build([("asura", 1, 2)], **failing)
    for name in [*SCORES, "learning_curves"]:
        figure = FIGURES[name](study)
        assert list(legend_colours(figure))[-2:] == ["diverged", "out of memory"]
        marks = [str(line.get_marker()) for line in figure.axes[0].lines if line.get_marker() in ("x", "+")]
        assert sorted(marks) == ["+", "+", "x"]
    texts = [text.get_text() for axes in FIGURES["grid"](study).axes for text in axes.texts]
    assert [text for text in texts if "†" in text] == [text for text in texts if "†‡" in text] != []
    assert len([text for text in texts if "‡" in text]) == 2


@pytest.mark.parametrize("name", ["score_against_flops", "grid", "learning_curves"])
def test_the_same_data_give_the_same_bytes(name: str, build: Callable, tmp_path: Path):
    small = build([("asura", 1, 2)], seeds=(0, 1), diverged=[("asura-n1-i2", 1)])
    for folder in ("a", "b"):
        write_figure(FIGURES[name](small), tmp_path / folder / name, "a note")
    for form in ("png", "svg", "pdf"):
        first, second = (tmp_path / folder / f"{name}.{form}" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes() != b""


def test_every_figure_is_written_under_its_note(studies: dict[str, Results], tmp_path: Path):
    note = "PARTIAL RESULTS: $0$ of 72 runs"
    write_figures(studies["nothing"], tmp_path, note)
    names = {f"{name}.{form}" for name in FIGURES for form in ("png", "svg", "pdf")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(note in path.read_text().replace("\\$", "$") for path in tmp_path.glob("*.svg"))
    write_figure(FIGURES["grid"](studies["nothing"]), tmp_path / "whole", None)
    assert "PARTIAL" not in (tmp_path / "whole.svg").read_text()


def test_the_note_leaves_the_legend_free(studies: dict[str, Results], tmp_path: Path):
    figure = FIGURES["score_against_iterations"](studies["one model"])  # the narrowest
    write_figure(figure, tmp_path / "figure", "PARTIAL RESULTS: 100 of 720 runs")
    (note,), (legend,) = figure.texts, figure.legends
    figure.draw_without_rendering()
    for entry in [*legend.get_texts(), *legend.legend_handles]:
        assert not note.get_window_extent().overlaps(entry.get_window_extent())


@pytest.mark.parametrize("name", ["grid", "train_against_evaluation_iterations"])
def test_names_beside_the_rows_of_heat_maps_do_not_touch(build, name: str):
    long = build([("asura", 1, 2), ("asura", 1, 4)], tasks=("composition_words", "text/openbookqa"), diverged=())
    metric = {"metric": "normalised_accuracy"}
    figure = FIGURES[name](long._replace(runs=long.runs.assign(**metric), scores=long.scores.assign(**metric)))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    for column in (bars, [axes for axes in panels(figure) if axes.get_ylabel()]):
        boxes = [axes.yaxis.label.get_window_extent(renderer) for axes in column]
        assert len(boxes) > 1 and not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def many_models(results: Results, count: int) -> Results:
    """The one model of a study, as often as this, under labels of eight settings."""
    settings = (
        "long_skip=none+skip_init=zero+adapter=linear+block_norm=post+iteration_norm=none+learning_rate=0.1+batch=8"
    )

    def under(frame: pd.DataFrame, place: int) -> pd.DataFrame:
        renamed = frame.assign(label=f"asura-n1-i4+width={place}+{settings}")
        return renamed.assign(order=place) if "order" in frame else renamed

    return Results(*(pd.concat([under(frame, place) for place in range(count)]) for frame in results))


@pytest.mark.parametrize("name", FIGURES)
def test_a_large_study_is_wrapped_and_the_figure_says_what_it_leaves_out(name: str, studies: dict[str, Results]):
    figure = FIGURES[name](many_models(studies["one model"], 200))
    width, height = figure.get_size_inches()
    assert width <= 30 and height <= 100
    says = " ".join(figure.get_supxlabel().split())
    assert says.startswith("36 of 200") == (not name.startswith("score_against"))
    assert all(len(legend.get_texts()) <= 10 for legend in figure.legends)


def test_a_grid_of_many_blocks_is_wrapped(build: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(style, "MOST_COLUMNS", 2)
    results = build([("asura", n, i) for n in (1, 2) for i in (1, 2)], seeds=(0,), diverged=())
    shown = [axes for axes in FIGURES["learning_curves"](results).axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [
        *("asura-n1-i1", "asura-n1-i2", "", ""),
        *("asura-n2-i1", "asura-n2-i2", "", ""),
    ]
    assert {axes.get_ylim() for axes in shown[:2]} == {axes.get_ylim() for axes in shown[4:6]}
    monkeypatch.setattr(style, "MOST_COLUMNS", 1)
    shown = FIGURES["score_against_flops"](results).axes
    assert [axes.get_title() for axes in shown] == ["$n = 1$", "$n = 2$"]


@pytest.mark.parametrize("name", ["grid", "train_against_evaluation_iterations", "learning_curves"])
def test_long_titles_lie_over_no_panel_and_over_no_other(name: str, studies: dict[str, Results]):
    figure = FIGURES[name](many_models(studies["one model"], 7))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    titles = [axes.title.get_window_extent(renderer) for axes in panels(figure) if axes.get_title()]
    assert len(titles) == 7
    boxes = [axes.get_window_extent(renderer) for axes in panels(figure) if axes.get_visible()]
    assert not any(title.overlaps(box) for title in titles for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(titles, 2))
    assert min(box.height for box in boxes) > 0.5 * figure.dpi


def test_a_heat_map_without_a_score_says_so(drawn: dict[str, Figure]):
    *scored, of_third_family_with_two_blocks = panels(drawn["train_against_evaluation_iterations"])
    assert [text.get_text() for text in of_third_family_with_two_blocks.texts] == ["not in the study"]
    assert all(re.fullmatch(r"[01]\.\d\d", text.get_text()) for axes in scored for text in axes.texts)
