import cmath
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from asura.models import ARCHITECTURES, build
from asura.models.asura import AsuraSettings
from asura.models.layers import MLP, Attention, Block, rotary_angles, rotate
from asura.models.model import Model
from asura.models.settings import Architecture
from asura.models.vanilla import VanillaSettings

VOCABULARY = 7


def small(name: str, **changes: object) -> Architecture:
    kind = ARCHITECTURES[name][0]
    return kind(**{"n": 2, "width": 8, "heads": 2} | ({"i": 4} if kind.iterates() else {}) | changes)


EVERY = pytest.mark.parametrize("name", ARCHITECTURES)


def scrambled(model: Model) -> Model:
    """The model in float64, its weights moved from where they start, so that no part is an identity or zero."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.double().parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def drawn(*shape: int, vocabulary: int = VOCABULARY) -> Tensor:
    return torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(2))


def slow_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * norm.weight
    return scaled if norm.bias is None else scaled + norm.bias


def turned(x: Tensor, position: int) -> Tensor:
    """Coordinates j and j + half of a head as a complex number, turned by position / 10000^(2j / head width)."""
    half = len(x) // 2
    pairs = [complex(x[j], x[j + half]) for j in range(half)]
    pairs = [pair * cmath.exp(1j * position / 10_000 ** (2 * j / len(x))) for j, pair in enumerate(pairs)]
    return torch.tensor([p.real for p in pairs] + [p.imag for p in pairs], dtype=x.dtype)


def slow_attention(x: Tensor, attention: Attention) -> Tensor:
    length, width = x.shape
    size = width // attention.heads
    mixed = torch.zeros_like(x)
    for head in range(attention.heads):
        own = slice(head * size, (head + 1) * size)
        weights, biases = attention.qkv.weight.split(width), biases_of(attention.qkv).split(width)
        queries, keys, values = (x @ weight[own].T + bias[own] for weight, bias in zip(weights, biases, strict=True))
        if isinstance(attention.q_norm, nn.LayerNorm) and isinstance(attention.k_norm, nn.LayerNorm):
            queries, keys = slow_norm(queries, attention.q_norm), slow_norm(keys, attention.k_norm)
        queries = [turned(q, t) for t, q in enumerate(queries)]
        keys = [turned(k, t) for t, k in enumerate(keys)]
        for t in range(length):
            seen = range(t + 1) if attention.causal else range(length)
            raised = [math.exp(queries[t] @ keys[s] / math.sqrt(size)) for s in seen]
            for s, weight in zip(seen, raised, strict=True):
                mixed[t, own] += weight / sum(raised) * values[s]
    return mixed @ attention.out.weight.T + biases_of(attention.out)


def biases_of(linear: nn.Linear) -> Tensor:
    return torch.zeros(linear.out_features) if linear.bias is None else linear.bias


def exact_gelu(a: float) -> float:
    return a / 2 * (1 + math.erf(a / math.sqrt(2)))


def tanh_gelu(a: float) -> float:
    return a / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


def slow_mlp(x: Tensor, mlp: MLP, gelu: Callable[[float], float] = exact_gelu) -> Tensor:
    hidden = (x @ mlp.up.weight.T + biases_of(mlp.up)).apply_(gelu)
    return hidden @ mlp.down.weight.T + biases_of(mlp.down)


def slow_block(x: Tensor, block: Block, gelu: Callable[[float], float] = exact_gelu) -> Tensor:
    x = x + slow_attention(slow_norm(x, block.attention_norm), block.attention)
    return x + slow_mlp(slow_norm(x, block.mlp_norm), block.mlp, gelu)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("heads", "mlp_width"), [(1, 3), (2, 5), (4, None)])
@torch.no_grad()
def test_a_block_follows_its_equations(heads: int, mlp_width: int | None, causal: bool):
    model: Any = scrambled(build(VanillaSettings(width=8, heads=heads, mlp_width=mlp_width, causal=causal), VOCABULARY))
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert model.blocks[0].mlp.up.weight.shape == (mlp_width or 32, 8)
    expected = torch.stack([slow_block(row, model.blocks[0]) for row in x])
    torch.testing.assert_close(model.blocks[0](x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize(("gelu", "slow"), [("exact", exact_gelu), ("tanh", tanh_gelu)])
@torch.no_grad()
def test_a_block_with_biases_follows_its_equations(gelu: Any, slow: Callable[[float], float], qk_norm: bool):
    settings = VanillaSettings(width=8, heads=2, bias=True, qk_norm=qk_norm, gelu=gelu)
    model: Any = scrambled(build(settings, VOCABULARY))
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.stack([slow_block(row, model.blocks[0], slow) for row in x])
    torch.testing.assert_close(model.blocks[0](x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("head_width", [2, 6, 16])
def test_scores_depend_on_relative_position_only(head_width: int):
    length = 50
    query, key = torch.randn(2, head_width, generator=torch.Generator().manual_seed(0))
    angles = rotary_angles(length, head_width, torch.device("cpu"))
    queries, keys = rotate(query.expand(length, -1), angles), rotate(key.expand(length, -1), angles)
    scores = queries @ keys.T
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1], rtol=0, atol=1e-4)
    assert scores[0].std() > 0.1
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(length))


@EVERY
@torch.no_grad()
def test_causal_models_never_see_the_future_and_others_do(name: str):
    for causal in (True, False):
        model = scrambled(build(small(name, causal=causal), VOCABULARY))
        tokens = drawn(2, 6)
        for t in range(6):
            changed = tokens.clone()
            changed[:, t] = (changed[:, t] + 1) % VOCABULARY
            moved = (model(changed) - model(tokens)).abs().amax(dim=(0, 2))
            assert (moved[t:] > 1e-6).all()
            assert ((moved[:t] > 1e-6) != causal).all()


@EVERY
@torch.no_grad()
def test_a_model_that_iterates_longer_passes_through_the_same_states(name: str):
    model = scrambled(build(small(name), VOCABULARY))
    longest = list(model.states(drawn(2, 6), 7 if model.settings.iterates() else 1))
    for k in range(1, len(longest) + 1):
        states = list(model.states(drawn(2, 6), k))
        assert len(states) == k and all(map(torch.equal, states, longest))
        assert torch.equal(model(drawn(2, 6), iterations=k), model.logits(longest[k - 1]))
    assert torch.equal(model(drawn(2, 6)), model.logits(longest[model.settings.i - 1]))


@EVERY
def test_every_weight_learns_from_the_start_but_those_behind_a_zero_adapter(name: str):
    model = build(small(name), VOCABULARY)
    model.loss(drawn(2, 6), drawn(2, 6)).loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    still = {name for name, gradient in gradients.items() if not gradient.any()}
    assert still == {name for name in gradients if "adapters" in name and not name.endswith("b1.weight")}


@EVERY
def test_weights_follow_from_the_seed_alone(name: str):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, other = (build(small(name), VOCABULARY, seed).state_dict() for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    again = build(small(name).model_dump(), VOCABULARY, seed=1).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    drawn_at_random = [key for key, weight in first.items() if weight.unique().numel() > 2]
    assert {"embedding.weight", "head.weight"} <= set(drawn_at_random)
    assert any(key.endswith("qkv.weight") for key in drawn_at_random)
    assert not any(torch.equal(first[key], other[key]) for key in drawn_at_random)


def test_weights_start_within_their_bounds():
    model = build(VanillaSettings(width=64), vocabulary=100)
    mlp: Any = model.get_submodule("blocks.0.mlp")
    for weight, fan_in in [(mlp.up.weight, 64), (mlp.down.weight, 256), (model.head.weight, 64)]:
        assert 0.99 < weight.abs().max() * fan_in**0.5 <= 1 and abs(weight.mean()) < 0.01
    assert model.embedding.weight.std().item() == pytest.approx(1, abs=0.04)  # five standard errors


def test_small_weights_start_within_their_bounds():
    model: Any = build(AsuraSettings(width=64, init="small", bias=True, skip_init="random"), vocabulary=100)
    block = model.blocks[0]
    maps = [
        (block.mlp.up, 64, 256),
        (block.attention.qkv, 64, 64),
        (model.long_skips[0], 128, 64),
        (model.head, 64, 100),
    ]
    for linear, inputs, outputs in maps:
        bound = math.sqrt(0.33 / (inputs * outputs))
        assert 0.99 < linear.weight.abs().max() / bound <= 1 and abs(linear.weight.mean()) < bound / 20
        assert 0.8 < linear.bias.abs().max() * inputs**0.5 <= 1
    assert model.embedding.weight.std().item() == pytest.approx((2 / (5 * 64)) ** 0.5, rel=0.05)


@EVERY
def test_a_model_with_biases_has_one_in_every_linear_map_but_those_of_abba(name: str):
    modules = build(small(name, bias=True), VOCABULARY).named_modules()
    without = [at for at, module in modules if isinstance(module, nn.Linear) and module.bias is None]
    assert all("adapters" in at for at in without) and bool(without) == (name == "asura_full")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, r"architecture\n.* required"),
        ({"architecture": "asurra"}, r"architecture\n.* no such architecture: found 'asurra'; did you mean 'asura'"),
        ({"architecture": "vanilla", "i": 2}, "\ni\n.* should be 1"),
        ({"architecture": "asura", "i": 0}, "\ni\n.* greater than or equal to 1"),
        ({"architecture": "universal", "n": 0}, "\nn\n.* greater than or equal to 1"),
        ({"architecture": "universal", "i": 1.5}, "\ni\n.* valid integer"),
        ({"architecture": "asura_full", "wdith": 8}, "\nwdith\n.* not permitted"),
        ({"architecture": "vanilla", "mlp_width": 0}, "\nmlp_width\n.* greater than or equal to 1"),
        ({"architecture": "asura", "width": 12, "heads": 4}, "width 12 with 4 heads: .* twice the heads"),
    ],
)
def test_wrong_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        build(bad, VOCABULARY)


def test_a_model_trains_after_it_was_used_in_inference_mode():
    model = build({"architecture": "vanilla", "width": 8, "heads": 2}, 5)
    tokens = torch.randint(5, (2, 19), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        model(tokens)
    model.loss(tokens, tokens).loss.backward()
    assert model.head.weight.grad.isfinite().all()
