from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.models import ARCHITECTURES, build
from asura.models.asura import AsuraSettings
from asura.models.deep_thinking import DeepThinkingSettings
from asura.models.model import Unrolling, draw_iterations
from asura.models.universal import UniversalSettings
from asura.models.vanilla import VanillaSettings
from asura.planning.matching import Match, controls, cost, counted
from asura.planning.plan import make
from asura.planning.study import Study, Variant
from tests.conftest import TINY

ALL = ["iso_param", "iso_flop", "iso_both", "iso_recursion"]
TASK = {"phop": {"hops": 1, "alphabet": 3, "length": 8}}
CONFIG = TINY | {"tasks": TASK, "controls": ALL, "width": 16, "heads": 2, "training": {"steps": 200, "batch": 4}}


def matched(models: dict[str, Any], **changes: Any) -> list[tuple[Variant, list[Match]]]:
    """Every cell of a study beside its controls."""
    study = Study.model_validate(CONFIG | {"models": models} | changes)
    (task,) = study.named_tasks()
    return [(cell, list(controls(study, cell))) for cell in study.variants(task)]


def one(models: dict[str, Any], **changes: Any) -> tuple[Variant, dict[str, Match]]:
    ((cell, found),) = matched(models, **changes)
    return cell, {match.control: match for match in found}


def on_task(variant: Variant) -> tuple[int, int, int]:
    """Parameters, FLOPs of one sequence, and FLOPs of all training, without the formula that planning uses."""
    task = variant.task.task
    parameters, flops = counted(variant.model, task.vocabulary, task.sequence_length)
    return parameters, flops, flops * variant.training.steps * variant.training.batch


def test_vanilla_counted_by_hand():
    settings = VanillaSettings(n=1, width=8, heads=2)
    model = build(settings, vocabulary=11, device="meta")
    assert {name: tuple(weight.shape) for name, weight in model.named_parameters()} == {
        "embedding.weight": (11, 8),
        "embedding_norm.weight": (8,),
        "embedding_norm.bias": (8,),
        "head_norm.weight": (8,),
        "head_norm.bias": (8,),
        "head.weight": (11, 8),
        "blocks.0.attention_norm.weight": (8,),
        "blocks.0.attention_norm.bias": (8,),
        "blocks.0.attention.qkv.weight": (24, 8),
        "blocks.0.attention.q_norm.weight": (4,),
        "blocks.0.attention.k_norm.weight": (4,),
        "blocks.0.attention.out.weight": (8, 8),
        "blocks.0.mlp_norm.weight": (8,),
        "blocks.0.mlp_norm.bias": (8,),
        "blocks.0.mlp.up.weight": (32, 8),
        "blocks.0.mlp.down.weight": (8, 32),
    }
    norms, matrices, head = 8 * 8 + 2 * 4, 192 + 64 + 256 + 256, 88
    attention = 2 * 5 * 5 * 8  # one product of 5 × 5 scores with 5 positions, over all heads; 2 forward, 4 backward
    assert counted(settings, vocabulary=11, length=5) == (norms + matrices, 6 * (matrices + head) * 5 + 6 * attention)


@pytest.mark.parametrize(
    ("architecture", "more"),
    [
        ({"long_skip": "concat_per_iteration", "iteration_norm": "per_iteration"}, 3 * 128 + 3 * 16),
        ({"long_skip": "concat", "iteration_norm": "shared"}, 128 + 16),
        ({"long_skip": "add", "iteration_norm": "none", "block_norm": "per_iteration"}, 3 * 16),
        ({"long_skip": "none", "iteration_norm": "none", "adapter": "lora"}, 3 * 2 * 2 * 4 * 8),
        ({"long_skip": "none", "iteration_norm": "none", "adapter": "abba", "adapter_rank": 2}, 3 * 2 * (4 + 8) * 8),
    ],
)
def test_unshared_parts_counted_by_hand(architecture: dict, more: int):
    settings = AsuraSettings(n=1, i=3, width=8, heads=2, **architecture)
    assert cost(settings, vocabulary=11, length=5).parameters == 840 + more


def test_a_head_is_paid_for_each_guided_iteration():
    def flops(guidance: Any) -> int:
        return cost(AsuraSettings(i=3, width=8, heads=2, guidance=guidance), 11, 5).flops

    assert flops("uniform") - flops("none") == 2 * 6 * 88 * 5
    assert flops((0, 0.4, 0.6)) - flops("none") == 6 * 88 * 5


def test_a_large_model_is_planned_without_building_it():
    block, iteration, outer_norms = 808, 128 + 16, 32
    large = AsuraSettings(n=50_000, i=70_000, width=8, heads=2)
    assert cost(large, vocabulary=11, length=5).parameters == 50_000 * block + 70_000 * iteration + outer_norms


sizes = {"n": st.integers(1, 3), "heads": st.sampled_from([1, 2]), "mlp_width": st.sampled_from([None, 1, 5])}
parts = {
    "i": st.integers(1, 4),
    "long_skip": st.sampled_from(["none", "add", "concat", "concat_per_iteration"]),
    "iteration_norm": st.sampled_from(["none", "shared", "per_iteration"]),
    "block_norm": st.sampled_from(["none", "per_iteration"]),
    "adapter": st.sampled_from(["none", "lora", "abba"]),
    "guidance": st.sampled_from(["none", "uniform", "progressive", "last two"]),
    "progressive": st.sampled_from([0.0, 0.5, 1.0]),
    "drawn": st.booleans(),
    "backpropagate": st.sampled_from([None, 1, 2]),
    "prelude": st.integers(0, 2),
    "halting": st.sampled_from(["none", "act"]),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
@settings(deadline=None, max_examples=6)
@given(st.data())
def test_planned_costs_are_the_counted_ones(name: str, data: st.DataObject):
    kind = ARCHITECTURES[name][0]
    own = sizes | {part: values for part, values in parts.items() if kind.iterates() and part in kind.model_fields}
    chosen: dict[str, Any] = {part: data.draw(values, part) for part, values in own.items()}
    if name == "deq":  # which needs four evaluations, and has no iterations to draw or cut
        chosen |= {"i": chosen["i"] + 3, "progressive": 0.0, "drawn": False, "backpropagate": None}
    if chosen.get("guidance") == "last two":
        chosen |= {"progressive": 0.0, "drawn": False}
        chosen["guidance"] = (0.0,) * (chosen["i"] - 2) + (0.5, 0.5) if chosen["i"] > 1 else (1.0,)
    architecture = kind(width=8, **chosen)
    assert cost(architecture, vocabulary=7, length=5) == counted(architecture, vocabulary=7, length=5)


@pytest.mark.parametrize(("preset", "width"), [("asura", 16), ("asura", 64), ("asura_full", 16), ("universal", 16)])
def test_every_control_is_within_two_percent_of_its_cell(preset: str, width: int):
    for cell, found in matched({preset: {"n": [1, 2], "i": [1, 3]}}, width=width):
        assert [match.control for match in found] == [c for c in ALL if (preset, c) != ("universal", "iso_recursion")]
        parameters, flops, total = on_task(cell)
        for control, variant, deviation in found:
            own_parameters, own_flops, own_total = on_task(variant)
            off = {
                "iso_param": [own_parameters / parameters],
                "iso_flop": [own_flops / flops],
                "iso_both": [own_parameters / parameters, own_total / total],
                "iso_recursion": [variant.model.n / cell.model.n, variant.model.i / cell.model.i],
            }[control]
            assert all(0.98 <= ratio <= 1.02 for ratio in off)
            assert abs(deviation) == pytest.approx(max(abs(ratio - 1) for ratio in off))


def test_what_each_control_is():
    cell, found = one({"asura": {"n": 2, "i": 4, "training": {"learning_rate": 0.01}}}, causal=False)
    models = {control: match.variant.model for control, match in found.items()}
    assert all((model.width, model.heads, model.causal) == (16, 2, False) for model in models.values())
    assert {control: (model.architecture, model.n, model.i, model.mlp_width) for control, model in models.items()} == {
        "iso_param": ("vanilla", 2, 1, 64 + 4 * (512 + 32) // (2 * 32)),  # a skip and a norm an iteration, as MLP
        "iso_flop": ("vanilla", 8, 1, 64 + 4 * 512 // (8 * 32)),  # norms have no FLOPs
        "iso_both": ("vanilla", 2, 1, 98),
        "iso_recursion": ("universal", 2, 4, None),
    }
    training = {control: match.variant.training for control, match in found.items()}
    longer = training.pop("iso_both")
    assert all(same == cell.training for same in training.values()) and cell.training.learning_rate == 0.01
    assert longer == cell.training.model_copy(update={"steps": longer.steps})
    ratio = on_task(cell)[1] / on_task(found["iso_param"].variant)[1]
    assert abs(longer.steps - 200 * ratio) <= 0.5 and ratio > 2


def test_recursion_alone_is_matched_exactly_by_the_usual_stack():
    _, found = one({"universal": {"n": 2, "i": 3, "mlp_width": 40}})
    assert found["iso_param"].variant.model == VanillaSettings(n=2, width=16, heads=2, mlp_width=40)
    assert found["iso_flop"].variant.model == VanillaSettings(n=6, width=16, heads=2, mlp_width=40)
    assert found["iso_param"].deviation == found["iso_flop"].deviation == 0
    assert "iso_recursion" not in found


def test_a_universal_model_of_another_shape_recurses_as_its_cell():
    _, found = one({"asura": {"n": 2, "i": 3, "mlp_width": 40, "guidance": "uniform"}})
    expected = UniversalSettings(n=2, i=3, mlp_width=40, width=16, heads=2)
    assert found["iso_recursion"].variant.model == expected and found["iso_recursion"].deviation == 0


def test_only_what_is_asked_for_is_matched_and_vanilla_has_no_controls():
    assert list(one({"asura": {"i": 2}}, controls=["iso_flop"])[1]) == ["iso_flop"]
    assert one({"asura": {"i": 2}}, controls=[])[1] == one({"vanilla": {"n": 2}})[1] == {}


def test_a_control_of_several_cells_is_one_model():
    grid = {"universal": {"n": [1, 2, 4], "i": [1, 2, 4]}}
    found = [match.variant for _, own in matched(grid, controls=["iso_flop"]) for match in own]
    deep = [variant for variant in found if variant.model.n == 4]
    assert len(deep) == 3 and deep[0] == deep[1] == deep[2] and deep[0].label == "vanilla-n4"
    plan = make(CONFIG | {"models": grid, "controls": ["iso_flop"]})
    labels = [model["label"] for model in plan.models if model["architecture"] == "vanilla"]
    assert sorted(labels) == ["vanilla-n1", "vanilla-n16", "vanilla-n2", "vanilla-n4", "vanilla-n8"]


@pytest.mark.parametrize(
    ("control", "cell", "nearest"),
    [
        # Two blocks of 60 parameters, 8 for the outer norms, 12 an iteration; a unit of MLP width is 8.
        ("iso_param", {"n": 2, "i": 1}, "vanilla-n2+mlp_width=10, is +2.86%"),  # 144 for 140
        ("iso_both", {"n": 2, "i": 3}, "vanilla-n2+mlp_width=12+steps=515, is -2.44%"),  # 160 for 164
        ("iso_flop", {"n": 3, "i": 2, "mlp_width": 1}, "vanilla-n6+mlp_width=2, is +2.40%"),
    ],
)
def test_a_control_that_cannot_be_matched_is_refused_in_one_line(control: str, cell: dict, nearest: str):
    with pytest.raises(UserError) as refused:
        one({"asura": cell}, controls=[control], width=2, heads=1)
    message = str(refused.value)
    assert message.startswith(f"controls: no {control} of asura-n{cell['n']}-i{cell['i']}")
    assert f"the nearest, {nearest} from its target; at most 2.00% is allowed" in message and "\n" not in message


def test_a_control_that_trains_for_less_warms_up_for_no_longer_than_it_trains():
    config = {
        "name": "x",
        "seeds": [0],
        "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}},
        "models": {"asura": {"n": 1, "i": 1}},
        "controls": ["iso_both"],
        "width": 16,
        "heads": 2,
        "training": {"steps": 200, "batch": 4, "warmup_steps": 200},
    }
    trainings = [run["training"] for run in make(config).runs.values()]
    assert all(training["warmup_steps"] <= training["steps"] for training in trainings)
    assert min(training["steps"] for training in trainings) < 200


def test_the_progressive_loss_costs_the_mean_of_its_passes():
    settings = DeepThinkingSettings(i=4, width=8, heads=2, progressive=1.0)
    model = build(settings, 7, device="meta")
    tokens = torch.zeros(1, 5, dtype=torch.int64, device="meta")
    costs = []
    for before in range(4):
        for after in range(1, 4 - before + 1):
            with FlopCounterMode(display=False) as counter:
                model.loss_of(Unrolling(1.0, before + after, before), tokens, tokens).loss.backward()
            costs.append(counter.get_total_flops() / 4 / (4 - before))
    assert counted(settings, 7, 5).flops == round(sum(costs))


def test_drawn_iterations_with_a_gradient_through_the_last_cost_the_mean_of_what_is_drawn():
    settings = UniversalSettings(i=4, width=8, heads=2, drawn=True, backpropagate=3)
    model, tokens = build(settings, 7, device="meta"), torch.zeros(1, 5, dtype=torch.int64, device="meta")
    draws = generator("draws")
    drawn = Counter(draw_iterations(4, draws) for _ in range(4000))
    mean = 0.0
    for iterations, times in drawn.items():
        with FlopCounterMode(display=False) as counter:
            model.loss_of(Unrolling(1.0, iterations, max(0, iterations - 3)), tokens, tokens).loss.backward()
        mean += counter.get_total_flops() * times / 4000
    assert counted(settings, 7, 5).flops == pytest.approx(mean, rel=0.02)


def test_iso_recursion_is_trained_by_the_rule_of_its_cell():
    cell = {"n": 1, "i": 4, "drawn": True, "backpropagate": 2, "progressive": 0.5}
    plan = make(TINY | {"models": {"asura": cell}, "controls": ["iso_recursion"]})
    (control,) = [run["model"] for run in plan.runs.values() if run["model"]["architecture"] == "universal"]
    assert control | cell | {"n": 1} == control | {"n": 1}


def test_a_cell_whose_stack_cannot_be_built_is_refused():
    with pytest.raises(UserError, match="controls: the vanilla stack of asura-n2000-i1000"):
        make(TINY | {"models": {"asura": {"n": 2000, "i": 1000}}, "controls": ["iso_flop"]})
