"""The figures of the similarity of states, of probes and of interventions."""

from collections.abc import Callable
from itertools import combinations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from asura.reporting.analyses import FIGURES, Found
from asura.reporting.analyses.shared import at_some, size_of_heat_map
from asura.reporting.figures.files import write_figure
from asura.reporting.figures.style import WIDTH
from asura.reporting.frames import Results
from tests.reporting.conftest import lines, panels

MODELS = {"asura-n1-i4": 4, "vanilla-n4+mlp_width=472": 4, "bare-n1-i4": 4}
SEEDS = (0, 1, 2)


def value(t: int, other: int, seed: int) -> float:
    return (t == other) * 0.5 + 0.1 * seed + 0.01 * t


def rows_of(labels: list[str], **columns: Callable[[int, int, int], object]) -> pd.DataFrame:
    rows = [
        {"task": "phop", "label": label, "seed": seed} | {name: make(t, other, seed) for name, make in columns.items()}
        for label in labels
        for seed in SEEDS
        for t in range(MODELS[label] + 1)
        for other in range(MODELS[label] + 1)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def few(build: Callable) -> Results:
    results: Results = build([("asura", 1, 4)], diverged=())
    return results


@pytest.fixture(scope="module")
def found() -> Found:
    def first(t: int, _: int, __: int) -> int:
        return t

    def second(_: int, other: int, __: int) -> int:
        return other

    kinds = rows_of(list(MODELS), t=first, other=second, accuracy=value, untouched=lambda *_: 0.9)
    kinds = kinds[(kinds["t"] > 0) & (kinds["other"] < 4)]
    names = dict(enumerate(["other", "start", "noise", "cut"]))
    kinds = kinds.assign(intervention=kinds["other"].map(names)).drop(columns="other")
    kinds = kinds[(kinds["intervention"] != "cut") | (kinds["label"] == "asura-n1-i4")]
    return {
        "similarity": rows_of(list(MODELS), t=first, other=second, cka=value),
        "similarity_stack": rows_of(["asura-n1-i4"], t=first, block=lambda _, k, __: k + 2, cka=lambda *_: 0.25),
        "probes": rows_of(list(MODELS), t=first, step=second, selectivity=value),
        "interventions": kinds,
        "interventions_skips": pd.DataFrame(columns=["task", "label", "seed"]),
    }


def by(numbers: pd.DataFrame, *keys: str) -> dict[tuple, float]:
    return numbers.set_index(list(keys))["value"].to_dict()


def test_similarity_has_a_heat_map_for_each_model_and_one_for_a_stack(found: Found, few: Results):
    figure, numbers = FIGURES["similarity"](found, few, "phop")
    assert len(panels(figure)) == 4
    own, beside = numbers[~numbers["panel"].str.contains("stack")], numbers[numbers["panel"].str.contains("stack")]
    means = by(own, "model", "t", "other")
    assert means["bare-n1-i4", 2, 2] == pytest.approx(0.62)  # the mean of 0.52, 0.62 and 0.72
    assert means["bare-n1-i4", 2, 1] == pytest.approx(0.12)
    assert set(beside["model"]) == {"asura-n1-i4"} and (beside["value"] == 0.25).all()
    assert set(beside["other"]) == {2, 3, 4, 5, 6}  # more blocks than iterations
    assert beside["run"].iloc[0] == " ".join(f"runs/phop/asura-n1-i4/seed{seed}" for seed in SEEDS)


def test_without_a_stack_each_model_has_its_own_heat_map_alone(found: Found, few: Results):
    nothing = {"similarity_stack": pd.DataFrame(columns=["task", "label", "seed"])}
    assert len(panels(FIGURES["similarity"]({**found, **nothing}, few, "phop").figure)) == 3


def test_probes_show_selectivity_by_iteration_and_step(found: Found, few: Results):
    figure, numbers = FIGURES["probes"](found, few, "phop")
    assert len(panels(figure)) == 3
    assert by(numbers, "model", "iteration", "step")["asura-n1-i4", 3, 1] == pytest.approx(0.13)


def test_interventions_have_lines_for_what_a_model_has(found: Found, few: Results):
    figure, numbers = FIGURES["interventions"](found, few, "phop")
    counts = {axes.get_title(): len(lines(axes, "mean")) for axes in panels(figure)}
    assert sorted(counts.values()) == [3, 3, 4] and counts["ASURA 1×4"] == 4
    means = by(numbers[numbers["shows"] == "mean"], "model", "intervention", "iteration")
    assert means["bare-n1-i4", "noise", 2] == pytest.approx(0.62)
    levels = [line.get_ydata()[0] for axes in panels(figure) for line in lines(axes, "untouched")]
    assert levels == pytest.approx([0.9] * 3)


@pytest.mark.parametrize("name", ["similarity", "probes", "interventions"])
def test_no_text_of_a_figure_lies_over_another(name: str, found: Found, few: Results, tmp_path):
    drawn = FIGURES[name](found, few, "phop")
    write_figure(drawn, tmp_path / name, {"study": "s", "commits": "c"})
    boxes = _boxes(drawn.figure)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def _boxes(figure: Figure) -> list:
    texts = [text for axes in panels(figure) for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    return [text.get_window_extent() for text in texts if text.get_text()]


def test_heat_maps_of_many_models_stand_three_in_a_row():
    assert size_of_heat_map(3, 24, 2)[0] == WIDTH
    assert 3 * size_of_heat_map(3, 24, 4)[0] <= WIDTH < 4 * size_of_heat_map(3, 24, 4)[0]


def test_each_model_is_shown_at_the_iterations_that_its_own_panel_has_room_for():
    frame = pd.concat([pd.DataFrame({"label": label, "t": range(last + 1)}) for label, last in (("a", 6), ("b", 24))])
    shown = at_some(frame, "label", "t").groupby("label")["t"].agg(list)
    assert shown["a"] == [0, 1, 2, 3, 4, 5, 6] and shown["b"] == [0, 1, 2, 3, 4, 6, 8, 12, 16, 24]
