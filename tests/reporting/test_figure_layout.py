"""Figures fit a column, leave no panel empty, and can be read in print."""

import re
from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from asura.planning.outputs import figures_of
from asura.reporting.figures import FIGURES, palette
from asura.reporting.figures.heatmaps import HEAT
from asura.reporting.frames import CONTROLS, Results
from tests.reporting.conftest import Figures, panels

SCORES = ("score_against_iterations", "score_against_parameters", "score_against_flops")


def contrast_with_white(colour: tuple[float, float, float]) -> float:
    """By the formula of WCAG 2.2, written out."""
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05)


def test_every_colour_of_a_series_is_read_on_white():
    colours = [*(style.colour for style in palette.FIXED.values()), *palette.SPARE_COLOURS]
    assert len(set(colours)) == len(colours)
    assert min(map(contrast_with_white, colours)) >= 3
    assert palette.contrast("white", "black") == pytest.approx(21)
    assert palette.contrast(colours[0], "white") == pytest.approx(contrast_with_white(colours[0]))


def test_text_on_any_tone_is_read():
    for tone in [HEAT(share) for share in np.linspace(0, 1, 101)]:
        assert palette.contrast(palette.readable_on(tone), tone) >= 4.5
    assert (palette.readable_on("0.9"), palette.readable_on("0.1")) == ("black", "white")


def test_many_series_have_styles_of_their_own(build: Callable):
    results = build([("asura", 1, 4)], seeds=(0,), diverged=())
    runs = [results.runs[results.runs["label"] == "asura-n1-i4"].assign(label=f"asura-n1-i4+w={k}") for k in range(40)]
    look = palette.styles(results._replace(runs=pd.concat([results.runs, *runs])))
    assert len(look) == 41 + len(CONTROLS) and len(set(look.values())) == len(look)


def drawn_of(results: Results) -> list[tuple[str, str]]:
    return list(figures_of(results.runs.drop_duplicates(["task", "label"]).to_dict("records")))


def test_every_study_can_be_drawn_in_a_column_without_empty_panels_or_small_print(
    studies: dict[str, Results], drawn: Figures
):
    for study, results in studies.items():
        for task, name in drawn_of(results):
            figure = (drawn[name] if study == "full" else FIGURES[name](results, task)).figure
            figure.draw_without_rendering()
            assert figure.get_figwidth() <= 5.5 and figure.get_figheight() <= 12
            sizes = {
                float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text() and text.get_visible()
            }
            assert min(sizes) >= 7 and max(sizes) <= 9, name
            if study == "nothing" or (study == "all diverged" and name != "learning_curves"):
                assert not figure.axes and re.match("No .* (score|curve)", figure.texts[0].get_text())
            for axes in panels(figure):
                assert axes.get_visible() and axes.has_data()
                assert lines_or_squares(axes)
                boxes = [label.get_window_extent() for label in axes.get_xticklabels(which="both") if label.get_text()]
                places = sorted(
                    (box.x0, box.x1) for box in boxes if axes.bbox.x0 <= np.mean(box.intervalx) <= axes.bbox.x1
                )
                assert all(end < start for (_, end), (start, _) in pairwise(places)), (study, name)


def lines_or_squares(axes) -> bool:
    return any(line.get_gid() for line in axes.lines) or any(text.get_text() for text in axes.texts)


def test_a_figure_that_would_show_nothing_is_not_drawn():
    def names(*models: tuple[str, str, int, int]) -> list[tuple[str, str]]:
        return list(figures_of({"task": t, "architecture": a, "n": n, "i": i} for t, a, n, i in models))

    costs = ["learning_curves", "score_against_parameters", "score_against_flops"]
    assert names(("a", "vanilla", 4, 1)) == [("a", name) for name in costs]
    one = names(("a", "asura", 1, 2))
    assert {"grid", "train_against_evaluation_iterations"}.isdisjoint(name for _, name in one) and len(one) == 5
    assert len(names(("a", "asura", 1, 2), ("a", "asura", 1, 4))) == len(FIGURES) - 3
    asked = {"task": "a", "n": 1, "every": 100.0, "swept": "hops"}
    of_recursive = {name for _, name in figures_of([asked | {"architecture": "asura", "i": 4}])}
    assert of_recursive >= {"score_against_steps", "difficulty_against_iterations"}
    of_vanilla = {name for _, name in figures_of([asked | {"architecture": "vanilla", "i": 1}])}
    assert "score_against_steps" in of_vanilla and "difficulty_against_iterations" not in of_vanilla
    unasked = asked | {"architecture": "asura", "i": 4, "every": float("nan"), "swept": float("nan")}
    found = {name for _, name in figures_of([unasked])}
    assert found == of_recursive - {"score_against_steps", "difficulty_against_iterations"}
    sizes = [unasked | {"examples": size} for size in (100.0, float("nan"))]
    assert {name for _, name in figures_of(sizes)} - found == {"score_against_examples"}
    assert ("a/piqa", "learning_curves") not in names(("a/piqa", "asura", 1, 2))


def many_models(results: Results, count: int) -> Results:
    """The one model of a study, as often as this, under labels of many settings."""
    settings = "long_skip=none+skip_init=zero+adapter=linear+block_norm=post+iteration_norm=none+learning_rate=0.1"

    def under(frame: pd.DataFrame, place: int) -> pd.DataFrame:
        renamed = frame.assign(label=f"asura-n1-i4+width={place}+{settings}")
        return renamed.assign(order=place) if "order" in frame else renamed

    return Results(*(pd.concat([under(frame, place) for place in range(count)]) for frame in results))


@pytest.mark.parametrize("name", FIGURES)
def test_a_large_study_says_what_it_leaves_out_and_not_over_the_legend(name: str, studies: dict[str, Results]):
    figure = FIGURES[name](many_models(studies["one model"], 40), "phop").figure
    assert figure.get_figwidth() <= 5.5 and figure.get_figheight() <= 40
    assert figure.get_supxlabel().startswith("16 of 40") == (name not in SCORES)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    boxes = [text.get_window_extent(renderer) for text in [*figure.texts, *texts]]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("name", ["grid", "train_against_evaluation_iterations", "learning_curves"])
def test_long_titles_lie_over_no_panel_and_over_no_other(name: str, studies: dict[str, Results]):
    figure = FIGURES[name](many_models(studies["one model"], 7), "phop").figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    titles = [axes.title.get_window_extent(renderer) for axes in panels(figure) if axes.get_title()]
    assert len(titles) == 7
    boxes = [axes.get_window_extent(renderer) for axes in panels(figure)]
    assert not any(title.overlaps(box) for title in titles for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(titles, 2))
    assert min(box.height for box in boxes) > 0.4 * figure.dpi
