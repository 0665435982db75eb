"""Studies of text: tasks written in its words, models that start from it, and what they are matched on."""

from typing import Any

import pytest

from asura.common.errors import UserError
from asura.planning.planner import make
from tests.conftest import TINY

TEXT = {"corpus": {"source": "embedded", "vocabulary": 300}, "length": 32}
WORDS = {"task": "phop", "hops": 1, "alphabet": 3, "length": 8, "written_as": "text", "training": {"steps": 100}}
ENTRIES = [{"n": 1, "i": 2}, {"n": 1, "i": 2, "training": {"start_from": "text"}}]
STUDY = TINY | {
    "tasks": {"text": TEXT, "words": WORDS, "phop": {"hops": 1, "alphabet": 3, "length": 8}},
    "models": {"asura": ENTRIES},
    "controls": ["iso_param", "iso_flop", "iso_both", "iso_recursion"],
    "width": 16,
    "training": {"steps": 500, "batch": 4},
}
PLAN = make(STUDY)


def labels(task: str) -> list[str]:
    return [model["label"] for model in PLAN.models if model["task"] == task]


def test_a_model_that_starts_from_a_text_stands_only_on_what_is_written_in_its_words():
    assert "asura-n1-i2+start_from=text" in labels("words")
    assert not any("start_from" in label for task in ("text", "phop") for label in labels(task))


def test_each_starts_from_the_run_of_the_same_model_and_seed_which_is_planned():
    started = {run["label"]: run["start_from"] for run in PLAN.runs.values() if "start_from" in run}
    assert started["asura-n1-i2+start_from=text"] == "runs/text/asura-n1-i2/seed0"
    assert len(started) == 5
    for label, start in started.items():
        here = PLAN.runs[f"runs/words/{label}/seed0"]
        assert PLAN.runs[start]["model"] == here["model"] and PLAN.runs[start]["seed"] == here["seed"]
        assert PLAN.runs[start]["task"]["length"] == 32


def test_a_control_with_training_of_its_own_starts_from_the_run_that_a_model_would_start_from():
    plan = make(STUDY | {"controls": {"iso_param": {"training": {"learning_rate": 0.01}}}})
    found = [run for run in plan.runs.values() if run["model"]["architecture"] == "vanilla" and "start_from" in run]
    ((label, start),) = [(run["label"], run["start_from"]) for run in found]
    assert label.endswith("+learning_rate=0.01+start_from=text")
    assert "learning_rate" not in plan.runs[start]["label"] and "learning_rate" not in plan.runs[start]["training"]


def test_models_of_a_written_task_are_matched_on_the_text_and_iso_both_on_its_own_steps():
    assert all(abs(role["deviation"]) <= 0.02 for role in PLAN.roles)
    (ours,) = [run for run in PLAN.runs.values() if "steps=" in run["label"] and run.get("start_from")]
    assert PLAN.runs[ours["start_from"]]["training"]["steps"] > 500
    assert 100 < ours["training"]["steps"] < 200


def test_a_text_has_its_corpus_in_the_plan_and_its_benchmarks_alone_have_models_of_text():
    plan = make(STUDY | {"evaluation": {"benchmarks": ["copa"]}})
    assert plan.corpora["text"] == plan.corpora["words"]
    assert "phop" not in plan.corpora
    assert {model["task"]: model["benchmarks"] for model in plan.models} == {"text": ["copa"], "words": [], "phop": []}


def test_a_task_may_have_models_of_its_own():
    own = {"task": "phop", "hops": 1, "models": {"vanilla": {"n": 3}}}
    plan = make(TINY | {"tasks": {"phop": {"hops": 1}, "own": own}})
    assert [(model["task"], model["label"]) for model in plan.models] == [
        ("phop", "asura-n1-i2"),
        ("own", "vanilla-n3"),
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"tasks": {"words": WORDS}}, r"tasks\.words\.written_as: no such task of text: found 'text'"),
    (
        {"tasks": {"text": TEXT | {"corpus": {"source": "hbu"}}}},
        r"tasks\.text\.corpus\.source: found 'hbu'; give 'embedded', 'hub' or 'files'",
    ),
    ({"tasks": {"text": TEXT | {"corpus": {"vocabulary": 300}}}}, r"tasks\.text\.corpus\.source: it is missing"),
    ({"tasks": {"text": TEXT, "phop": {}}}, r"start_from: no task is written_as 'text'"),
    ({"evaluation": {"benchmarks": ["pica"]}}, r"no such benchmark: found 'pica'; did you mean 'piqa'\?"),
    ({"tasks": {"written": {}}}, r"tasks\.written: no such task: found 'written'"),
    (
        {"tasks": {"text": TEXT | {"model": {"causal": False}}}},
        r"causal: found false; text is read by causal models",
    ),
]


@pytest.mark.parametrize(("changes", "says"), BAD)
def test_what_does_not_fit_is_said_in_one_line(changes, says):
    with pytest.raises(UserError, match=says):
        make(STUDY | changes)
