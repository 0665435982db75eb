from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from asura.common.randomness import generator
from asura.models import ARCHITECTURES, build
from asura.models.asura import AsuraSettings
from asura.models.bare import BareSettings
from asura.models.deep_thinking import DeepThinkingSettings
from asura.models.ouro import OuroSettings
from asura.models.parcae import ParcaeSettings
from asura.models.universal import UniversalSettings
from asura.models.unrolling import Unrolling, draw_iterations
from asura.models.vanilla import VanillaSettings
from asura.planning.costs import Cost, cost, counted, embedding_parameters, parameters_alone


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
    forward = 2 * (matrices + head) * 5 + 2 * attention
    assert counted(settings, vocabulary=11, length=5) == (norms + matrices, 3 * forward, forward)


def test_biases_counted_by_hand():
    settings = VanillaSettings(n=1, width=8, heads=2)
    with_biases = settings.model_copy(update={"bias": True})
    more = [getattr(cost(with_biases, 11, 5), what) - getattr(cost(settings, 11, 5), what) for what in Cost._fields]
    assert more == [24 + 8 + 32 + 8, 0, 0]
    model = build(with_biases, vocabulary=11, device="meta")
    total = sum(parameter.numel() for parameter in model.parameters())
    assert embedding_parameters(with_biases, 11) == 2 * 88 + 11 == total - cost(with_biases, 11, 5).parameters


def test_inference_of_a_recursive_model_counted_by_hand():
    blocks, skip, head = 3 * (2 * 768 * 5 + 2 * 2 * 5 * 5 * 8), 3 * 2 * 128 * 5, 2 * 88 * 5
    settings = AsuraSettings(n=1, i=3, width=8, heads=2)
    assert counted(settings, vocabulary=11, length=5).inference_flops == blocks + skip + head


@pytest.mark.parametrize("rule", [{"guidance": "uniform"}, {"drawn": True, "backpropagate": 1}, {"progressive": 0.5}])
def test_how_a_model_is_trained_does_not_change_what_inference_costs(rule: dict):
    plain, trained = (cost(AsuraSettings(i=3, width=8, heads=2, **own), 11, 5) for own in ({}, rule))
    assert plain.flops != trained.flops and plain.inference_flops == trained.inference_flops


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


def test_a_gate_and_a_head_are_paid_for_each_exit():
    own, plain = (
        counted(kind(i=3, width=8, heads=2, **rule), vocabulary=11, length=5)
        for kind, rule in ((OuroSettings, {}), (BareSettings, {"guidance": "uniform"}))
    )
    norm, gate = 2 * 8, 8 + 1
    assert own.parameters - plain.parameters == norm + gate
    # Forwards and twice that backwards, but for the last gate, on which no loss depends.
    assert own.flops - plain.flops == (3 + 3 + 1) * 2 * 8 * 5
    assert own.inference_flops - plain.inference_flops == 3 * 2 * 8 * 5


def test_what_is_injected_is_computed_once():
    own = counted(ParcaeSettings(n=2, i=3, width=8, heads=2, drawn=False, backpropagate=None), vocabulary=11, length=5)
    stack = counted(VanillaSettings(n=1 + 2 * 3 + 1, width=8, heads=2), vocabulary=11, length=5)
    assert own.flops - stack.flops == 3 * 2 * 2 * 64 * 5  # B and C
    assert own.inference_flops - stack.inference_flops == 2 * 2 * 64 * 5


def test_a_large_model_is_planned_without_building_it():
    block, iteration, outer_norms = 808, 128 + 16, 32
    large = AsuraSettings(n=50_000, i=70_000, width=8, heads=2)
    assert cost(large, vocabulary=11, length=5).parameters == 50_000 * block + 70_000 * iteration + outer_norms


sizes = {
    "n": st.integers(1, 3),
    "heads": st.sampled_from([1, 2]),
    "mlp_width": st.sampled_from([None, 1, 5]),
    "bias": st.booleans(),
    "qk_norm": st.booleans(),
}
parts = {
    "i": st.integers(1, 4),
    "long_skip": st.sampled_from(["none", "add", "concat", "concat_per_iteration"]),
    "iteration_norm": st.sampled_from(["none", "shared", "per_iteration"]),
    "block_norm": st.sampled_from(["none", "per_iteration"]),
    "adapter": st.sampled_from(["none", "lora", "abba"]),
    "guidance": st.sampled_from(["none", "uniform", "progressive", "last two"]),
    "progressive": st.sampled_from([0.0, 0.5, 1.0]),
    "drawn": st.booleans(),
    "drawn_i": st.sampled_from(["mean", "rate"]),
    "backpropagate": st.sampled_from([None, 1, 2]),
    "deep_supervision": st.integers(1, 3),
    "prelude": st.integers(0, 2),
    "halting": st.sampled_from(["none", "act"]),
    "latent_updates": st.integers(1, 3),
    "one_step_gradient": st.booleans(),
    "recall": st.booleans(),
    "norms": st.sampled_from(["before", "after"]),
    "halting_weight": st.sampled_from([0.0, 0.5]),
    "step_signal": st.sampled_from(["sinusoid", "learned"]),
    "mlp": st.sampled_from(["gelu", "gated_silu"]),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
@settings(deadline=None, max_examples=3)
@given(st.data())
def test_planned_costs_are_the_counted_ones(name: str, data: st.DataObject):
    kind = ARCHITECTURES[name][0]
    own = sizes | {part: values for part, values in parts.items() if kind.iterates() and part in kind.model_fields}
    chosen: dict[str, Any] = {part: data.draw(values, part) for part, values in own.items()}
    if name == "deq":  # which needs four evaluations, and has no iterations to draw or cut
        chosen |= {"i": chosen["i"] + 3, "progressive": 0.0, "drawn": False, "backpropagate": None, "guidance": "none"}
        chosen["deep_supervision"] = 1
    if name == "ouro":  # whose exits weigh the losses
        chosen["guidance"] = "none"
    if name == "recurrent_depth" and chosen["norms"] == "after":
        chosen["norms"] = "sandwich"
    if chosen.get("guidance") == "last two":
        chosen |= {"progressive": 0.0, "drawn": False}
        chosen["guidance"] = (0.0,) * (chosen["i"] - 2) + (0.5, 0.5) if chosen["i"] > 1 else (1.0,)
    if chosen.get("drawn") or chosen.get("progressive"):
        chosen["deep_supervision"] = 1
    if "i" in chosen:
        chosen["i"] *= chosen["deep_supervision"]
    architecture = kind(width=8, **chosen)
    assert cost(architecture, vocabulary=7, length=5) == counted(architecture, vocabulary=7, length=5)
    assert parameters_alone(architecture) == counted(architecture, vocabulary=7, length=5).parameters


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


@pytest.mark.parametrize(("drawn_i", "mean_drawn"), [("mean", 4), ("rate", 5)])
def test_drawn_iterations_with_a_gradient_through_the_last_cost_the_mean_of_what_is_drawn(
    drawn_i: Any, mean_drawn: int
):
    settings = UniversalSettings(i=4, width=8, heads=2, drawn=True, drawn_i=drawn_i, backpropagate=3)
    model, tokens = build(settings, 7, device="meta"), torch.zeros(1, 5, dtype=torch.int64, device="meta")
    draws = generator("draws")
    drawn = Counter(draw_iterations(mean_drawn, draws) for _ in range(4000))
    mean = 0.0
    for iterations, times in drawn.items():
        with FlopCounterMode(display=False) as counter:
            model.loss_of(Unrolling(1.0, iterations, max(0, iterations - 3)), tokens, tokens).loss.backward()
        mean += counter.get_total_flops() * times / 4000
    assert counted(settings, 7, 5).flops == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize("cut", [None, 2])
def test_growing_iterations_cost_the_mean_over_training(cut: int | None):
    settings = BareSettings(i=4, width=8, heads=2, growing=0.5, backpropagate=cut)
    model, tokens = build(settings, 7, device="meta"), torch.zeros(1, 5, dtype=torch.int64, device="meta")
    mean = 0.0
    for step in range(64):
        (unrolling,) = model.unrollings(None, step / 64)
        with FlopCounterMode(display=False) as counter:
            model.loss_of(unrolling, tokens, tokens).loss.backward()
        mean += counter.get_total_flops() / 64
    assert counted(settings, 7, 5).flops == round(mean)


def test_a_step_of_deep_supervision_costs_its_part_of_the_iterations():
    own, parts = (BareSettings(i=i, width=8, heads=2, deep_supervision=s) for i, s in ((2, 1), (6, 3)))
    assert counted(parts, 7, 5).flops == counted(own, 7, 5).flops == cost(parts, 7, 5).flops
    assert counted(parts, 7, 5).inference_flops > counted(own, 7, 5).inference_flops
