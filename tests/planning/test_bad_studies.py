"""Hundreds of studies that somebody might have written, most of them wrong: none gives a traceback."""

import copy
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asura.common.errors import UserError
from asura.common.validation import in_file
from asura.common.yaml_file import read_yaml
from asura.planning.planner import make
from tests.conftest import TINY

STUDY = copy.deepcopy(TINY) | {
    "controls": {
        "iso_param": {"training": {"learning_rate": 0.01}},
        "iso_flop": {},
        "iso_both": {"training": {"batch": 2}},
        "iso_recursion": {},
    },
    "tasks": {
        "phop": {"hops": 1},
        "other": {"task": "prefix_sums", "length": 4, "training": {"batch": 2}},
        "text": {"corpus": {"source": "hub", "name": "x/y", "vocabulary": 300}, "length": 8},
        "words": {"task": "phop", "written_as": "text", "models": {"asura": {"n": 1, "i": 2}}},
    },
    "models": {
        "asura": [{"n": [1, 2], "i": 2, "long_skip": "add"}, {"i": 2, "training": {"start_from": "text"}}],
        "vanilla": {"n": 1, "training": {"steps": 3}},
    },
    "evaluation": {"iterations": "trained", "examples": 10, "benchmarks": ["copa", "piqa"]},
}
UNTUNED = {"text", "words"}  # whose models start from other weights
TUNED = STUDY | {
    "tasks": {name: task for name, task in STUDY["tasks"].items() if name not in UNTUNED},
    "models": {"asura": {"n": 1, "i": 2}},
    "controls": ["iso_param"],
    "evaluation": {"examples": 10},
    "tune": {
        "over": {"learning_rate": {"low": 0.001, "high": 0.01}, "weight_decay": [0.0, 0.1]},
        "trials": 2,
        "seeds": [1, 2],
        "steps": 0.5,
    },
}
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.sampled_from([2**70, -(2**70), 1e308, "", "../x", "$(touch x)", "a b", "'\"", "ümlaut", "asurra", "add", "\n"]),
    st.floats(),
    st.dates(),
    st.text(max_size=5),
    st.lists(st.integers(-1, 4), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=5), st.integers(0, 3)), st.integers(0, 3), max_size=2),
)


def paths(value: Any, prefix: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [prefix, *(path for key, inner in items for path in paths(inner, (*prefix, key)))]


@st.composite
def studies(draw: st.DrawFn) -> Any:
    study = copy.deepcopy(draw(st.sampled_from([STUDY, TUNED])))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from([path for path in paths(study) if path]))
        holder: Any = study
        for key in parents:
            holder = holder[key]
        action = draw(st.sampled_from(["replace", "delete", "add", "rename"]))
        if action == "replace":
            holder[last] = draw(odd)
        elif action == "delete":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(draw(odd))
        elif action == "add":
            holder[draw(st.text(max_size=8))] = draw(odd)
        else:
            holder[draw(st.sampled_from([f"{last}x", "n", "i", "training", "heads"]))] = holder.pop(last)
        if not study:
            break
    return study


@settings(max_examples=330, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(study=studies())
def test_a_study_is_planned_or_refused_in_one_line(tmp_path_factory, study: Any):
    path = tmp_path_factory.getbasetemp() / "study.yaml"
    path.write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")
    try:
        config = read_yaml(path)
        with in_file(str(path)):
            plan = make(config)
    except UserError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error) and len(str(error)) < 1000
    else:
        assert plan.runs and all(abs(role["deviation"]) <= 0.02 for role in plan.roles)
