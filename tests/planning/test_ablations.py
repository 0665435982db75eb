"""Plans of ablations: what stands in them, and what each model is compared with."""

from typing import Any

import pytest

from asura.common.errors import UserError
from asura.planning.ablations import ablations_in_words
from asura.planning.plan import Plan, load
from asura.planning.planner import make
from tests.conftest import TINY
from tests.planning.plans import prepare_ablation
from tests.planning.test_texts_in_studies import TEXT, WORDS

STUDY = TINY | {"ablated": {"n": 1, "i": 2}}
NORMS = ["per_iteration", "shared", "none"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def compared(plan: Plan) -> list[tuple[str, str | None]]:
    return [(row["label"], row["against"]) for row in plan.rows()]


def test_models_are_compared_with_the_first_unless_the_ablation_says_otherwise(tmp_path):
    plan = prepare_ablation(STUDY, tmp_path, "x", {"asura": {"iteration_norm": NORMS}, "vanilla": {}})
    first, *others = compared(plan)
    assert first == ("asura-n1-i2", None)
    assert [against for _, against in others] == ["asura-n1-i2"] * 3
    assert [label for label, _ in others][-1] == "vanilla-n2"


def test_what_an_ablation_adds_to_its_study_is_said_with_its_plan():
    inline = {"norms": {"asura": {"iteration_norm": NORMS}}}  # of which the study has the first
    study = STUDY | {"ablations": ["ladder", inline]}
    first, second = ablations_in_words(study, make(STUDY))
    assert first == "Its ablation norms adds 2 runs of 3 models, which are not counted above."
    assert "rule files are not counted (ladder)" in second
    assert list(ablations_in_words(STUDY, make(STUDY))) == []
    wrong = STUDY | {"ablations": [{"norms": {"asura": {"iteration_nrm": NORMS}}}]}
    with pytest.raises(UserError, match=r"^ablation norms: models.asura.0.iteration_nrm: .*iteration_norm"):
        list(ablations_in_words(wrong, make(STUDY)))


def test_each_rung_is_compared_with_the_one_before(tmp_path):
    plan = prepare_ablation(STUDY, tmp_path, "x", {"asura": {"iteration_norm": NORMS}, "against": "previous"})
    labels = [label for label, _ in compared(plan)]
    assert compared(plan) == list(zip(labels, [None, *labels[:-1]], strict=True))


def test_a_model_is_compared_with_what_differs_in_the_setting_alone(tmp_path):
    models = {"asura": {"iteration_norm": NORMS[:2], "causal": [True, False]}, "vanilla": {"causal": [True, False]}}
    plan = prepare_ablation(STUDY, tmp_path, "x", models | {"against": "causal"})
    assert dict(compared(plan)) == {
        "asura-n1-i2": None,
        "asura-n1-i2+causal=false": "asura-n1-i2",
        "asura-n1-i2+iteration_norm=shared": None,
        "asura-n1-i2+causal=false+iteration_norm=shared": "asura-n1-i2+iteration_norm=shared",
        "vanilla-n2": None,
        "vanilla-n2+causal=false": "vanilla-n2",
    }


def test_a_control_that_starts_from_a_text_is_compared_with_itself_from_scratch(tmp_path):
    study = STUDY | {"tasks": {"text": TEXT, "words": WORDS}, "width": 16}
    models = {"asura": [{}, {"training": {"start_from": "text"}}], "controls": ["iso_param", "iso_both"]}
    plan = prepare_ablation(study, tmp_path, "x", models | {"tasks": ["words"], "against": "start_from"})
    pairs = dict(compared(plan))
    assert len(pairs) == 6 and {model["task"] for model in plan.models} == {"words"}
    for label, against in pairs.items():
        assert against == (label.removesuffix("+start_from=text") if "start_from" in label else None)
    on_text = {run["label"] for run in plan.runs.values() if run["task_name"] == "text"}
    assert on_text == {run["start_from"].split("/")[2] for run in plan.runs.values() if "start_from" in run}


def test_what_is_left_out_of_an_ablation_is_not_trained_for_it(tmp_path):
    study = STUDY | {"tasks": {**STUDY["tasks"], "prefix_sums": {"length": 8}}}
    plan = prepare_ablation(study, tmp_path, "x", {"asura": {"i": [1, 2]}, "tasks": ["prefix_sums"]})
    assert {run["task_name"] for run in plan.runs.values()} == {"prefix_sums"}


def test_controls_of_an_ablation_may_have_training_of_their_own(tmp_path):
    controls = {"iso_param": {"training": {"learning_rate": 0.5}}, "iso_flop": {}}
    plan = prepare_ablation(STUDY | {"width": 16}, tmp_path, "x", {"asura": {}, "controls": controls})
    rates = {role["control"]: "+learning_rate=0.5" in role["label"] for role in plan.roles}
    assert rates == {"iso_param": True, "iso_flop": False}


def test_models_without_the_setting_are_compared_with_nothing(tmp_path):
    models = {"vanilla": {}, "universal": {}, "asura": {"skip_init": ["pass_through", "random"]}}
    plan = prepare_ablation(STUDY, tmp_path, "x", models | {"against": "skip_init"})
    assert [against for _, against in compared(plan)] == [None, None, None, "asura-n1-i2"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"asura": {}, "against": "casual"}, r"against: no such setting: found 'casual'; .* 'causal'"),
        (
            {"asura": {"iteration_norm": NORMS}, "against": "causal"},
            r"against: found 'causal'; no two models",
        ),
        ({"asura": {}, "against": ["causal"]}, r"against: found \['causal'\]; "),
        ({"asura": {}, "tasks": ["phopp"]}, r"tasks: no such task: found 'phopp'; did you mean 'phop'"),
        ({"asura": {}, "tasks": "phop"}, r"tasks: found 'phop'; "),
        ({"asura": {}, "controls": "iso_param"}, r"controls: found 'iso_param'; "),
        ({"asura": {}, "Against": "previous"}, r"models\.Against: found 'previous'; give a mapping of settings"),
        ({"asura": None}, r"models\.asura: found None; give a mapping of settings"),
        ({"asura": ["x"]}, r"models\.asura: found 'x'; give a mapping of settings"),
        ({"asurra": {}}, r"models\.asurra: no such architecture.*'asura'"),
        ([], r"models: found \[\]; give a mapping of settings"),
    ],
)
def test_what_an_ablation_says_wrongly_is_refused(tmp_path, models: Any, message: str):
    with pytest.raises(UserError, match=f"^ablation x: {message}"):
        prepare_ablation(STUDY, tmp_path, "x", models)


def test_a_changed_ablation_is_planned_anew_and_one_that_is_not_is_kept(tmp_path):
    study = STUDY | {"tasks": {"phop": {"hops": 1}, "other": {"task": "phop", "hops": 2}}}
    path = tmp_path / "tiny" / "ablations" / "x" / "plan.json"
    for change in ({"tasks": ["phop"]}, {"tasks": ["other"]}, {}, {"against": "previous"}):
        plan = prepare_ablation(study, tmp_path, "x", {"asura": {"iteration_norm": NORMS}} | change)
        assert [model["task"] for model in plan.models[::3]] == change.get("tasks", ["phop", "other"])
        assert plan.against == change.get("against", "first")
        assert load(path) == plan
    time = path.stat().st_mtime_ns
    assert prepare_ablation(study, tmp_path, "x", {"asura": {"iteration_norm": NORMS}} | change) == plan
    assert path.stat().st_mtime_ns == time


def test_resources_in_an_ablation_are_refused_and_their_place_is_named(tmp_path):
    with pytest.raises(UserError, match=r"ablation x: models\.asura\.resources: .* ablated\.resources"):
        prepare_ablation(STUDY, tmp_path, "x", {"asura": {"resources": {"mem_mb": 9000}}})


FACTORS: dict[str, Any] = {"long_skip": ["concat_per_iteration", "none"], "iteration_norm": NORMS[:2]}


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (
            {"asura": FACTORS, "controls": ["iso_flop"]},
            "asura-n1-i2 and .* both have concat_per_iteration and per_iter",
        ),
        ({"asura": FACTORS, "universal": {}}, "asura-n1-i2 and universal-n1-i2 both have"),
        (
            {"asura": FACTORS | {"bias": [True, False]}},
            "both have concat_per_iteration and per_iteration; with factors",
        ),
        (
            {"asura": FACTORS | {"long_skip": ["concat_per_iteration"]}},
            "no model has none and per_iteration; name every",
        ),
        ({"asura": FACTORS | {"iteration_norm": NORMS}}, "has concat_per_iteration and none, which is not among"),
    ],
    ids=str,
)
def test_models_of_an_ablation_with_factors_are_their_combinations(tmp_path, models: dict, said: str):
    prepare_ablation(STUDY, tmp_path, "x", {"asura": FACTORS, "factors": FACTORS})
    with pytest.raises(UserError, match=rf"factors: .*{said}"):
        prepare_ablation(STUDY, tmp_path, "y", models | {"factors": FACTORS})


def test_a_misspelt_factor_is_no_setting_of_the_models(tmp_path):
    with pytest.raises(
        UserError, match=r"factors: no model has concat_per_iteration and per_iteration and b; name every"
    ):
        prepare_ablation(STUDY, tmp_path, "x", {"asura": FACTORS, "factors": FACTORS | {"norm": ["a", "b"]}})
