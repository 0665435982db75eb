"""Questions and their verdicts, on the study of the fixtures with scores that are put in."""

import math

import pandas as pd
import pytest

from asura.reporting.frames import Results, tidy
from asura.reporting.tables import for_people
from asura.reporting.verdicts import questions

LESS = {"metric": "bits_per_byte", "chance": 8.0}
ROW, REFERENCE, OTHER = "asura-n1-i2", "bare-n1-i2", "vanilla-n2+mlp_width=344"


def study(build, scores: dict[str, list[float]], margins: dict[str, float | None], **metric: object) -> Results:
    """Ten seeds with these scores, and a question for each reference with a margin."""
    results = build([("asura", 1, 2)], seeds=range(10), diverged=())
    found = results.scores[(results.scores["split"] == "test") & (results.scores["label"].isin(list(scores)))]
    found = found.assign(value=[scores[row.label][row.seed] for row in found.itertuples()], standard_error=0.001)
    asked = [
        {"task": "phop", "label": ROW, "reference": each, "margin": margin, "metric": metric.get("metric", "accuracy")}
        for each, margin in margins.items()
    ]
    runs = results.runs[results.runs["label"].isin(list(scores))]
    return results._replace(
        runs=runs.assign(**metric), scores=found.assign(**metric), questions=tidy("questions", asked)
    )


def test_ten_seeds_that_all_differ_are_better_and_the_other_way_round_worse(build):
    table = questions(
        study(build, {ROW: [0.99] * 10, REFERENCE: [0.6] * 10, OTHER: [1.0] * 10}, {REFERENCE: None, OTHER: None})
    )
    assert list(table["verdict"]) == ["better", "worse"]
    assert list(table["question"]) == ["1 (primary)", "2"]
    assert table["p"].tolist() == pytest.approx([2 * 2 / 1024] * 2)  # the least of ten pairs, corrected for two
    assert table["difference"].tolist() == pytest.approx([0.39, -0.01])
    assert table["equivalence_p"].isna().all() and list(table["pairs"]) == [10, 10]


def test_where_less_is_better_fewer_bits_are_better(build):
    scores = {ROW: [2.4] * 10, REFERENCE: [2.5] * 10}
    assert list(questions(study(build, scores, {REFERENCE: None}, **LESS))["verdict"]) == ["better"]


def test_equivalence_is_shown_within_a_margin_and_not_without_one(build):
    noise = [0.001 * (seed % 3 - 1) for seed in range(10)]
    scores = {ROW: [2.5 + each for each in noise], REFERENCE: [2.5 - each for each in noise], OTHER: [2.5] * 10}
    table = questions(study(build, scores, {REFERENCE: 0.02, OTHER: None}, **LESS))
    assert list(table["verdict"]) == ["equivalent within ±0.02", "not shown to differ"]
    assert table["equivalence_p"].isna().tolist() == [False, True]


def test_holm_corrects_over_all_questions_and_margins(build):
    # nine of ten seeds differ: 22 of 1024 flips are as extreme, p = .0215, which three tests do not survive
    row = [0.99] * 9 + [0.6]
    scores = {ROW: row, REFERENCE: [0.6] * 9 + [0.99], OTHER: [0.99] * 10}
    alone = questions(study(build, scores, {REFERENCE: None}))
    both = questions(study(build, scores, {REFERENCE: 0.05, OTHER: None}))
    assert alone["p"].iloc[0] == pytest.approx(22 / 1024) and alone["verdict"].iloc[0] == "better"
    assert both["p"].iloc[0] == pytest.approx(3 * 22 / 1024) and both["verdict"].iloc[0] == "not shown to differ"


def test_a_failed_run_counts_at_chance(build):
    results = study(build, {ROW: [0.99] * 10, REFERENCE: [0.9] * 10}, {REFERENCE: None})
    failed = (results.runs["label"] == ROW) & (results.runs["seed"] == 3)
    scores = results.scores[(results.scores["label"] != ROW) | (results.scores["seed"] != 3)]
    runs = results.runs.assign(status=results.runs["status"].where(~failed, "diverged"))
    table = questions(results._replace(runs=runs, scores=scores))
    assert table["pairs"].iloc[0] == 10
    assert table["difference"].iloc[0] == pytest.approx((9 * 0.09 + 0.25 - 0.9) / 10)


def test_five_seeds_show_nothing_and_no_scores_have_no_verdict(build):
    few = study(build, {ROW: [0.99] * 10, REFERENCE: [0.6] * 10}, {REFERENCE: None})
    five = questions(few._replace(scores=few.scores[few.scores["seed"] < 5]))
    assert five["p"].iloc[0] == 0.0625 and five["verdict"].iloc[0] == "not shown to differ"
    none = questions(few._replace(scores=few.scores[:0]))
    assert math.isnan(none["p"].iloc[0]) and none["verdict"].iloc[0] == "no paired seeds"
    assert for_people(none)["margin"].iloc[0] == "–"
    assert isinstance(none, pd.DataFrame)


def test_steps_of_models_that_never_solve_the_task_show_no_equivalence(build):
    never = study(build, {ROW: [500.0] * 10, REFERENCE: [500.0] * 10}, {REFERENCE: 20.0})
    metric = {"metric": "steps_to_solve"}
    results = never._replace(
        runs=never.runs.assign(step=500),
        scores=never.scores.assign(**metric, standard_error=math.nan),
        questions=never.questions.assign(**metric),
    )
    row = questions(results).iloc[0]
    # of ten runs that all took 500 steps, the mean is at least 500 · .05^(1/10)
    assert row["verdict"] == "not shown to differ"
    assert row["difference_low"] == -row["difference_high"] == pytest.approx(500 * (0.05**0.1 - 1), rel=1e-6)
