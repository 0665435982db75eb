"""Steps to a score, sufficient iterations, the gap to training, and the figures of the whole curve."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from asura.planning.outputs import TABLES, tables_of
from asura.reporting.figures import FIGURES
from asura.reporting.frames import Results, tidy
from asura.reporting.whole_curve import difficulty, gap, steps
from tests.reporting.conftest import lines, panels

Curves = dict[int, list[float]]


@pytest.fixture
def few(build: Callable) -> Results:
    return build([("asura", 1, 4)], diverged=())


def snapshots(few: Results, curves: Curves, split: str = "test") -> Results:
    """The study with these scores of the cell, by seed, after 100, 200, … steps."""
    key = {"task": "phop", "label": "asura-n1-i4", "split": split, "metric": "accuracy", "examples": 9}
    rows = [
        key | {"seed": seed, "step": 100 * place, "value": value}
        for seed, values in curves.items()
        for place, value in enumerate(values, start=1)
    ]
    return few._replace(snapshots=tidy("snapshots", rows))


def test_steps_to_a_score_worked_out_by_hand(few: Results):
    curves = {0: [0.3, 0.6, 0.97], 1: [0.5, 0.94, 0.96], 2: [0.2, 0.4, 0.7]}
    (row,) = steps(snapshots(few, curves)).to_dict("records")
    assert (row["model"], row["split"], row["seeds"]) == ("asura-n1-i4", "test", 3)
    assert (row["steps_to_50"], row["by_seed_50"], row["reached_50"]) == (200, "200 100 300", 3)
    assert (row["steps_to_95"], row["by_seed_95"], row["reached_95"]) == (300, "300 300 –", 2)


def test_half_of_the_seeds_below_a_score_leave_no_median_and_failed_seeds_are_below_it(few: Results):
    (row,) = steps(snapshots(few, {0: [0.3, 0.96]})).to_dict("records")  # two of three seeds failed
    assert pd.isna(row["steps_to_95"])
    assert (row["seeds"], row["reached_95"], row["by_seed_95"]) == (3, 1, "200")


def test_the_sufficient_iterations_worked_out_by_hand(few: Results):
    def value(seed: int, hops: int, iterations: int) -> float:
        return 0.96 if iterations >= hops + (seed == 2) else 0.3

    key = {"task": "phop", "label": "asura-n1-i4", "setting": "hops", "trained": 3, "metric": "accuracy", "examples": 9}
    rows = [
        key | {"seed": seed, "difficulty": hops, "iterations": t, "value": value(seed, hops, t)}
        for seed in (0, 1, 2)
        for hops in (1, 3, 4)
        for t in (1, 2, 3, 4)
    ]
    found = difficulty(few._replace(sweep=tidy("sweep", rows)))
    assert found["iterations_to_95"].tolist() == [1, 3, 4]
    assert found["by_seed_95"].tolist() == ["1 1 2", "3 3 4", "4 4 –"]
    assert found["reached_95"].tolist() == [3, 3, 2]
    assert found["score"].tolist() == pytest.approx([0.96, 0.96, (0.96 + 0.96 + 0.3) / 3])


def test_the_gap_is_training_minus_test_paired_by_seed(few: Results):
    on = few.scores[few.scores["split"] == "test"]
    known = on.assign(split="training", value=on["value"] + 0.01 * on["seed"])
    runs = few.runs.assign(examples=np.where(few.runs["label"] == "asura-n1-i4", 100.0, np.nan))
    (row,) = gap(few._replace(runs=runs, scores=pd.concat([few.scores, known]))).to_dict("records")
    test = on[(on["label"] == "asura-n1-i4") & (on["iterations"] == 4)]["value"].mean()
    assert (row["model"], row["examples"]) == ("asura-n1-i4", 100)
    assert [row[name] for name in ("training", "test", "gap")] == pytest.approx([test + 0.01, test, 0.01])
    assert row["gap_low"] < row["gap"] < row["gap_high"]


def test_tables_are_of_studies_that_ask_for_them():
    assert tables_of([{"every": None, "examples": float("nan")}, {}], False) == [*TABLES]
    assert tables_of([{"every": 5, "swept": "depth"}, {"examples": 9.0}], True) == [
        *TABLES,
        "steps",
        "difficulty",
        "gap",
        "external",
    ]


def test_scores_over_steps_show_every_seed_and_end_at_the_last_snapshot(few: Results):
    figure, numbers = FIGURES["score_against_steps"](few, "phop")
    assert [axes.get_title() for axes in figure.axes] == ["test", "hops 4", "length 64"]
    labels = few.runs["label"].nunique()
    for axes in figure.axes:
        assert len(lines(axes, "mean")) == labels and len(lines(axes, "seeds")) == 3 * labels
    cell = numbers[(numbers["model"] == "asura-n1-i4") & (numbers["split"] == "test") & (numbers["shows"] == "mean")]
    assert cell["step"].tolist() == [200, 400, 600]
    last = few.scores[(few.scores["label"] == "asura-n1-i4") & (few.scores["iterations"] == 4)]
    assert cell["value"].iloc[-1] == pytest.approx(last[last["split"] == "test"]["value"].mean())


def test_the_heat_map_of_difficulties_frames_the_trained_point(few: Results):
    figure, numbers = FIGURES["difficulty_against_iterations"](few, "phop")
    axes = panels(figure)[0]
    assert axes.get_title() == "ASURA 1×4"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "2", "3", "4"]
    assert [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)] == [
        (3, 2)
    ]  # 4 iterations, 3 hops
    own = numbers[numbers["model"] == "asura-n1-i4"]
    assert ((own["value"] > 0.5) == (own["evaluated"] >= own["difficulty"])).all()
    assert not numbers["model"].str.startswith("vanilla").any()
