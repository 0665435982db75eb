"""Snapshots, sweeps and sets of examples in plans; and what of these is refused."""

import copy
from typing import Any

import pytest

from asura.common.errors import UserError
from asura.evaluation.cost import evaluation_flops
from asura.planning.plan import Plan
from asura.planning.planner import make
from tests.conftest import TINY

LOOKUP: dict[str, Any] = {"table_lookup": {"depth": 3}}
PLANTED = {"hops": 2, "fewest_hops": 1, "length": 12, "supervision": "planted"}
TEXT: dict[str, Any] = {"text": {"corpus": {"source": "hub", "name": "x/y", "vocabulary": 300}, "length": 8}}


def plan_of(evaluation: dict | None = None, training: dict | None = None, **changes: Any) -> Plan:
    config = copy.deepcopy(TINY) | changes
    return make(
        config
        | {"evaluation": config["evaluation"] | (evaluation or {}), "training": config["training"] | (training or {})}
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "more than the steps": (
        {"evaluation": {"every": 13}},
        "evaluation.every: found 13; asura-n1-i2 on phop is trained for 12 steps, give at most that",
    ),
    "more than the steps of one model": (
        {"evaluation": {"every": 9}, "models": {"asura": {"n": 1, "i": 2}, "vanilla": {"training": {"steps": 8}}}},
        "evaluation.every: found 9; vanilla-n1+steps=8 on phop is trained for 8 steps",
    ),
    "every 0": ({"evaluation": {"every": 0}}, "evaluation.every: found 0; it must be greater than or equal to 1"),
    "every in the study": ({"every": 4}, "every: no such key here; write it as `evaluation: {every: …}`"),
    "misspelt": ({"evaluation": {"evry": 4}}, "evaluation.evry: no such key: found 'evry'; did you mean 'every'?"),
    "no values": ({"evaluation": {"sweep": {"depth": []}}, "tasks": LOOKUP}, "sweep.depth: found []; give at least 1"),
    "value twice": ({"evaluation": {"sweep": {"depth": [2, 2]}}, "tasks": LOOKUP}, "evaluation.sweep: 2 stands there"),
    "no number": (
        {"evaluation": {"sweep": {"depth": [1.5]}}, "tasks": LOOKUP},
        "evaluation.sweep.depth.0: found 1.5; give an integer",
    ),
    "a single number": (
        {"evaluation": {"sweep": {"depth": 3}}, "tasks": LOOKUP},
        "evaluation.sweep.depth: found 3; give a list of integers",
    ),
    "unknown setting": (
        {"evaluation": {"sweep": {"dept": [1]}}, "tasks": LOOKUP},
        "evaluation.sweep.dept: no setting over which a task of this study can be swept: found 'dept'; did you mean "
        "'depth'? allowed: depth",
    ),
    "vocabulary": (
        {"evaluation": {"sweep": {"bits": [2]}}, "tasks": LOOKUP},
        "evaluation.sweep.bits: it changes the vocabulary of table_lookup, which a trained model cannot follow",
    ),
    "input that does not say it": (
        {"evaluation": {"sweep": {"hops": [1, 2]}}},
        "evaluation.sweep.hops: the input of phop does not say it, so no model could know how much to do",
    ),
    "hops that do not fit": (
        {"evaluation": {"sweep": {"hops": [1, 9]}}, "tasks": {"phop": PLANTED}},
        "evaluation.sweep.hops: length must be at least 21 for a planted chain of 9 hops",
    ),
    "nothing to draw": (
        {"evaluation": {"sweep": {"length": [1]}}, "tasks": {"prefix_sums": {"length": 9}}},
        "evaluation.sweep.length: 1 has no examples (",
    ),
    "learned positions": (
        {
            "evaluation": {"sweep": {"length": [3000]}},
            "tasks": {"prefix_sums": {"length": 9}},
            "models": {"asura": {"n": 1, "i": 2, "positions": "learned"}},
        },
        "evaluation.sweep.length: it asks for sequences of 3000; asura-n1-i2+positions=learned on prefix_sums has",
    ),
    "examples of a text": (
        {"training": {"examples": 9}, "tasks": TEXT},
        "training.examples: found 9; text is a text, whose documents are fixed already: write `tasks: {text: {",
    ),
    "no examples": ({"training": {"examples": 0}}, "training.examples: found 0; it must be greater than or equal"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(name: str):
    changes, message = REFUSED[name]
    with pytest.raises(UserError) as error:
        plan_of(**changes)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_runs_are_told_which_weights_to_keep_and_models_say_what_is_asked():
    tasks = LOOKUP | {"phop": {}}
    plan = plan_of({"every": 5, "sweep": {"depth": [1, 9]}}, {"examples": 64}, tasks=tasks)
    assert {run["snapshot_steps"] for run in plan.runs.values()} == {5}
    asked = {model["task"]: (model["every"], model["swept"], model["examples"]) for model in plan.models}
    assert asked == {"table_lookup": (5, "depth", 64), "phop": (5, None, 64)}
    assert plan.evaluation_of("phop").sweep == {"depth": (1, 9)}


def test_a_study_that_asks_for_none_of_it_has_the_runs_that_it_had():
    (run,) = plan_of().runs.values()
    assert "snapshot_steps" not in run and "examples" not in run["training"]


def test_snapshots_and_difficulties_cost_what_their_tokens_cost():
    """Of one iteration, so that every token costs the same; at depth d an example has d + 1 tokens."""
    models = {"asura": {"n": 1, "i": 1}}
    evaluation: dict[str, Any] = {"iterations": "trained", "examples": 10}
    plain = plan_of(evaluation, tasks=LOOKUP, models=models)
    key, model = ("table_lookup", plain.models[0]["label"]), plain.models[0]
    each = model["inference_flops_per_token"]
    splits = evaluation_flops(plain)[key] / each
    more = evaluation_flops(plan_of(evaluation | {"sweep": {"depth": [1, 5]}}, tasks=LOOKUP, models=models))[key]
    assert more / each == pytest.approx(splits + 10 * (2 + 4 + 6))  # with the trained depth
    often = evaluation_flops(plan_of(evaluation | {"every": 4}, tasks=LOOKUP, models=models))[key]
    assert often / each == pytest.approx(3 * splits)  # after 4 and 8 of 12 steps, and at the end
    fixed = evaluation_flops(plan_of(evaluation, {"examples": 6}, tasks=LOOKUP, models=models))[key]
    assert fixed / each == pytest.approx(splits + 6 * 4)
