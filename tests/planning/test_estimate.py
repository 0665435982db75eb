from asura.planning.estimate import unequal
from asura.planning.planner import make
from tests.conftest import TINY

COSTS = {
    "parameters": 1000,
    "total_parameters": 3000,
    "flops_per_token": 600.0,
    "inference_flops_per_token": 200.0,
    "tokens": 5000,
    "effective_depth": 4,
    "width": 8,
}


def test_what_a_control_has_more_or_less_of_than_its_cell():
    assert list(unequal(COSTS, COSTS)) == []
    assert list(unequal(COSTS | {"parameters": 1019, "tokens": 4950}, COSTS)) == []
    shallow = COSTS | {"flops_per_token": 156.0, "inference_flops_per_token": 52.0, "effective_depth": 1}
    assert list(unequal(shallow, COSTS)) == ["FLOPs 0.26×", "depth 0.25×"]
    guided = COSTS | {"flops_per_token": 1200.0}
    assert list(unequal(COSTS, guided)) == ["FLOPs 0.50×", "inference FLOPs 1.00×"]
    larger = COSTS | {"parameters": 4000, "total_parameters": 6000}
    assert list(unequal(larger, COSTS)) == ["parameters 4.00×", "with embedding 2.00×"]


def test_controls_of_a_plan_differ_in_what_they_are_not_matched_in():
    controls = ["iso_param", "iso_flop", "iso_both", "iso_param_depth", "iso_recursion"]
    plan = make(TINY | {"models": {"asura": {"n": 1, "i": 4}}, "controls": controls, "width": 64})
    models = {model["label"]: model for model in plan.models}
    differ = {
        role["control"]: {words.rsplit(" ", 1)[0] for words in unequal(models[role["label"]], models["asura-n1-i4"])}
        for role in plan.roles
    }
    assert differ == {
        "iso_param": {"FLOPs", "depth"},
        "iso_flop": {"parameters", "with embedding"},
        "iso_both": {"FLOPs", "tokens", "depth"},
        "iso_param_depth": {"FLOPs", "width"},
        "iso_recursion": {"parameters", "with embedding", "FLOPs"},
    }
