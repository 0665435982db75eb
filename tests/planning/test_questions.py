"""Questions of a study and seeds of its own for a model, from the study file to the plan and what it prints."""

import json
from typing import Any

import numpy as np
import pytest

from asura.common.errors import UserError
from asura.planning.ablations import planned_ablation
from asura.planning.cache import read_plan
from asura.planning.plan import Plan
from asura.planning.planner import make
from asura.planning.power import least_p, limits, seeds_to_show, smallest_effect, smallest_margin

STUDY: dict[str, Any] = {
    "name": "s",
    "seeds": [0, 1],
    "tasks": {"phop": {"hops": 1, "alphabet": 4, "length": 16}},
    "models": {"asura": [{"n": 1, "i": 2, "seeds": [1, 5]}, {"n": 1, "i": 3}], "vanilla": {"n": 1}},
    "controls": ["iso_param", "iso_recursion"],
    "width": 16,
    "heads": 2,
    "training": {"steps": 2, "batch": 2, "learning_rate": 0.003},
}
QUESTION = {"row": "asura-n1-i2", "reference": "vanilla-n1"}


def asking(*questions: dict[str, Any], **changes: Any) -> Plan:
    return make({**STUDY, **changes, "questions": list(questions)})


def seeds_by_label(plan: Plan) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in plan.rows():
        found.setdefault(row["label"], []).append(row["seed"])
    return found


def test_a_model_and_its_controls_are_trained_with_its_own_seeds_and_the_others_with_the_studys():
    plan = make(STUDY)
    seeds = seeds_by_label(plan)
    assert seeds["asura-n1-i2"] == [1, 5] and seeds["asura-n1-i3"] == seeds["vanilla-n1"] == [0, 1]
    for role in plan.roles:
        assert set(seeds[role["label"]]) >= set(seeds[role["control_of"]])
    of = {(role["control"], role["control_of"]): role["label"] for role in plan.roles}
    assert seeds[of["iso_recursion", "asura-n1-i2"]] == [1, 5]
    assert {f"runs/phop/{label}/seed{seed}" for label in seeds for seed in seeds[label]} == set(plan.runs)


def test_a_control_that_two_cells_share_has_the_seeds_of_both():
    models = {"asura": [{"n": 1, "i": 2, "seeds": [4]}, {"n": 1, "i": 2, "long_skip": "add", "seeds": [7, 4]}]}
    seeds = seeds_by_label(make({**STUDY, "models": models, "controls": ["iso_recursion"]}))
    assert sorted(seeds.values()) == [[4], [4, 7], [7, 4]]


def test_a_new_seed_leaves_the_runs_of_the_other_seeds_as_they_are():
    before = make(STUDY).runs
    models = {**STUDY["models"], "vanilla": {"n": 1, "seeds": [0, 1, 9]}}
    after = make({**STUDY, "models": models}).runs
    assert set(after) - set(before) == {"runs/phop/vanilla-n1/seed9"}
    assert {name: after[name] for name in before} == before


def test_a_question_stands_in_the_plan_with_labels_task_and_metric():
    plan = asking(
        QUESTION, {"row": "iso_recursion", "reference": "asura-n1-i3", "metric": "exact_match", "margin": 0.1}
    )
    of = {(role["control"], role["control_of"]): role["label"] for role in plan.roles}
    first, second = plan.questions
    assert first == {**QUESTION, "task": "phop", "metric": "accuracy", "margin": None}
    assert second["row"] == of["iso_recursion", "asura-n1-i3"] and second["margin"] == 0.1
    assert json.loads(json.dumps(plan.as_json()))["questions"] == plan.questions


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({**QUESTION, "row": "asura-n1-i4"}, "questions.0.row: no such model in the study: found 'asura-n1-i4'; did"),
        ({**QUESTION, "reference": "iso_flop"}, "questions.0.reference: no such model in the study: found 'iso_flop'"),
        ({**QUESTION, "metric": "acuracy"}, "questions.0.metric: phop has no such metric: found 'acuracy'; did you"),
        ({**QUESTION, "metric": "bits_per_byte"}, "questions.0.metric: phop has no such metric"),
        ({**QUESTION, "margin": 0.05}, "questions.0.margin: found 0.05 without a metric"),
        ({**QUESTION, "metric": "accuracy", "margin": 0}, "questions.0.margin: found 0; it must be greater than 0"),
        ({**QUESTION, "task": "addition"}, "questions.0.task: no such task: found 'addition'"),
        ({**QUESTION, "reference": "asura-n1-i2"}, "questions.0.reference: found 'asura-n1-i2', which is the row too"),
        ({"row": "vanilla-n1", "reference": "iso_param"}, "questions.0.reference: 'vanilla-n1' has no control iso_par"),
        ({"row": "vanilla-n1"}, "questions.0.reference: it is missing"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_in_one_line(question, said):
    with pytest.raises(UserError) as error:
        asking(question)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_the_same_question_is_asked_once_and_a_study_of_two_tasks_names_the_task():
    with pytest.raises(UserError, match=r"^questions\.1: it asks the same as an earlier question"):
        asking(QUESTION, {**QUESTION, "metric": "accuracy", "margin": 0.2})
    tasks = {**STUDY["tasks"], "addition": {}}
    with pytest.raises(UserError, match=r"^questions\.0\.task: it is missing; the study has several"):
        asking(QUESTION, tasks=tasks)
    assert asking({**QUESTION, "task": "addition"}, tasks=tasks).questions[0]["task"] == "addition"


@pytest.mark.parametrize(
    ("seeds", "said"), [(3, "found 3; give a list"), ([], "at least 1"), ([1, 1], "1 stands there")]
)
def test_seeds_of_a_model_are_checked_as_those_of_the_study_are(seeds, said):
    with pytest.raises(UserError, match=rf"^models\.vanilla\.seeds: .*{said}"):
        make({**STUDY, "models": {"vanilla": {"n": 1, "seeds": seeds}}})


def test_an_ablation_leaves_the_questions_to_its_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = read_plan(planned_ablation({**STUDY, "questions": [QUESTION]}, "a", {"asura": {"seeds": [3]}}))
    assert plan.questions == [] and seeds_by_label(plan) == {"asura-n1-i4": [3]}


def test_the_least_p_is_that_of_all_differences_having_one_sign():
    assert (least_p(5), least_p(10), least_p(6, 2)) == (0.0625, 2 / 1024, 0.0625)
    assert [seeds_to_show(tests) for tests in (1, 2, 10)] == [6, 7, 9]


def test_the_smallest_effect_is_shown_by_a_paired_t_test_in_four_of_five_samples():
    from scipy.stats import ttest_1samp

    effect = smallest_effect(10, 2)
    samples = np.random.default_rng(0).normal(effect, 1, (10, 4000))
    assert np.mean(ttest_1samp(samples, 0).pvalue < 0.025) == pytest.approx(0.8, abs=0.02)


def test_a_plan_says_that_models_with_one_seed_have_no_interval():
    models = {"asura": {"n": 1, "i": 2, "seeds": [1]}, "vanilla": {"n": 1}}
    assert limits(make({**STUDY, "models": models, "controls": []})) == [
        "1 of 2 models have one seed, and therefore no interval."
    ]
    assert limits(make(STUDY)) == []


def test_a_plan_says_what_the_seeds_of_each_question_can_show():
    models = {"asura": {"n": 1, "i": 2, "seeds": list(range(10))}, "vanilla": {"n": 1, "seeds": list(range(5, 20))}}
    few, enough = asking(QUESTION), asking(QUESTION, models=models)  # one seed in common, and five
    assert "1 paired seed cannot reach p < .05: 1 is the least; use 10." in limits(few)[0]
    assert "5 paired seeds cannot reach p < .05: 0.0625 is the least; use 10." in limits(enough)[0]
    question = {"row": "asura-n1-i2", "reference": "asura-n1-i3", "metric": "accuracy", "margin": 0.1}
    (said,) = limits(asking(question, models={"asura": {"n": 1, "i": [2, 3], "seeds": list(range(10))}}))
    assert "does not for 7 seeds of 10. Least p after correction for 2 tests: 0.0039." in said
    # all of ten runs right: the share of right ones is at least .05^(1/10) = .741, of what is above chance, 1/4
    assert smallest_margin(10, 0.75) == pytest.approx(0.75 * (1 - 0.741134), rel=1e-5)
    assert "cannot show equivalence within ±0.1: ±0.19 is the least" in said


def test_a_question_gives_its_models_more_seeds_and_the_others_none():
    before = {model["label"]: model["seeds"] for model in asking(QUESTION).models}
    plan = asking(QUESTION | {"seeds": [1, 7]})
    after = {model["label"]: model["seeds"] for model in plan.models}
    assert after == before | {"asura-n1-i2": [1, 5, 7], "vanilla-n1": [0, 1, 7]}
    assert {f"runs/phop/{label}/seed{seed}" for label in after for seed in after[label]} == set(plan.runs)
    assert set(plan.questions[0]) == {"task", "row", "reference", "metric", "margin"}


def test_a_margin_of_steps_is_compared_with_what_steps_can_show():
    question = {"row": "asura-n1-i2", "reference": "asura-n1-i3", "metric": "steps_to_solve", "margin": 3}
    models = {"asura": {"n": 1, "i": [2, 3], "seeds": list(range(10))}}
    training = {"steps": 12, "batch": 4, "validation_examples": 8}
    (said,) = limits(asking(question, models=models, training=training))
    assert "cannot show equivalence within ±3: ±3.1 is the least" in said  # 12 steps · (1 - .05^(1/10))
