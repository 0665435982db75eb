"""What stands in which panel of the figures of scores, and what is drawn of chance and of shortcuts."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure

from asura.reporting.figures import FIGURES, marks
from asura.reporting.figures.style import beside
from asura.reporting.frames import CONTROLS, Results


def with_scores(results: Results, **columns: object) -> Results:
    return results._replace(scores=results.scores.assign(**columns))


@pytest.mark.parametrize("name", ["score_against_iterations", "score_against_parameters", "score_against_flops"])
def test_families_with_controls_have_panels_of_their_own(name: str, build: Callable[..., Results]):
    results = build([("asura", 1, 2), ("mine", 1, 2)], diverged=())
    drawn = FIGURES[name](results, "phop")
    assert [axes.get_title() for axes in drawn.figure.axes] == ["ASURA, n = 1", "mine, n = 1"]
    for panel, family in (("ASURA, n = 1", "asura"), ("mine, n = 1", "mine")):
        here = drawn.numbers[drawn.numbers["panel"] == panel]
        assert set(here["series"]) == {family, *CONTROLS} and set(here["cell"]) == {f"{family}-n1-i2"}
    one = FIGURES[name](build([("asura", 1, 2), ("asura", 2, 2)], diverged=()), "phop")
    assert [axes.get_title() for axes in one.figure.axes] == ["n = 1", "n = 2"]


def test_no_marker_hides_that_of_another_line(build: Callable[..., Results]):
    results = build([("asura", 1, 4)], diverged=())
    alike = results._replace(scores=results.scores.assign(value=0.9))
    (axes,) = FIGURES["score_against_parameters"](alike, "phop").figure.axes
    markers = [line for line in axes.lines if line.get_markersize() == marks.NUMBERED and line.get_gid() is None]
    data = [np.asarray(line.get_xydata(), dtype=float) for line in markers]
    places = [line.get_transform().transform(xy)[0] for line, xy in zip(markers, data, strict=True)]
    assert len(places) == 1 + len(CONTROLS)
    for one, other in combinations(np.array(places) * 72 / axes.get_figure().dpi, 2):
        assert np.hypot(*(one - other)) > marks.NUMBERED * 0.6
    costs = [xy[0, 0] for xy in data]
    matched = [place[0] for place, cost in zip(places, costs, strict=True) if abs(cost / costs[-1] - 1) < 0.02]
    # From left to right in the order of the legend, whose first is drawn last.
    assert len(matched) == 4 and matched == sorted(matched, reverse=True)


def test_a_shortcut_is_drawn_where_it_is_better_than_chance(results: Results):
    for shortcut, expected in ((0.4, {"chance": 0.25, "shortcut": 0.4}), (0.1, {"chance": 0.25})):
        assert marks.levels_on(with_scores(results, shortcut=shortcut, rule="copy"), "phop", "test") == expected
    names = [
        str(each.get_label()) for each in marks.level_handles(with_scores(results, shortcut=0.4, rule="copy"), "phop")
    ]
    assert names == ["chance", "best shortcut (copy)"]


def test_where_less_is_better_a_level_is_drawn_if_the_axis_reaches_to_it(results: Results):
    of_text = results._replace(runs=results.runs.assign(metric="bits_per_byte"))
    scores = of_text.scores.assign(metric="bits_per_byte", rule="pairs")
    worst = scores.loc[scores["split"] == "test", "value"].max()
    for shortcut, shown in ((worst - 0.01, ["shortcut"]), (worst + 0.01, [])):
        found = of_text._replace(scores=scores.assign(chance=8.0, shortcut=shortcut))
        assert list(marks.levels_on(found, "phop", "test")) == shown
        assert len(marks.level_handles(found, "phop")) == len(shown)
    unknown = of_text._replace(scores=scores.assign(chance=np.nan, shortcut=np.nan))
    assert marks.levels_on(unknown, "phop", "test") == {}


def test_a_name_beside_an_axis_breaks_before_its_remark():
    axes = Figure(figsize=(3, 1.7)).add_subplot()
    assert beside(axes, "bits per byte (lower is better)") == "bits per byte\n(lower is better)"
    assert beside(axes, "accuracy") == "accuracy"
