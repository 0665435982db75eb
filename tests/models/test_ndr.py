import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asura.models import build
from asura.models.ndr import GeometricAttention, NDRSettings, Router, closest_first


def slow_weights(match: torch.Tensor) -> torch.Tensor:
    """Geometric attention as the paper says it: A_ij = P_ij times the product over closer k of 1 - P_ik."""
    length = len(match)
    probability = [[1 / (1 + math.exp(-match[i, j].item())) for j in range(length)] for i in range(length)]
    weights = torch.zeros(length, length)
    for i in range(length):
        # from the closest on; at equal distance the one to the right comes first
        order = sorted((j for j in range(length) if j != i), key=lambda j: (abs(i - j), j < i))
        free = 1.0
        for j in order:
            weights[i, j] = probability[i][j] * free
            free *= 1 - probability[i][j]
    return weights


@given(st.integers(2, 9), st.integers(0, 2**32))
def test_geometric_attention_is_that_of_a_slow_loop(length: int, seed: int):
    match = 3 * torch.randn(length, length, generator=torch.Generator().manual_seed(seed))
    match.fill_diagonal_(-torch.inf)
    assert torch.allclose(closest_first(match), slow_weights(match.clamp(min=-700)), atol=1e-5)


@torch.no_grad()
def test_the_match_has_a_learned_scale_of_content_and_one_of_direction():
    attention = GeometricAttention(NDRSettings(width=8, heads=2, causal=False))
    assert attention.scale.tolist() == [0.5] and attention.direction_scale.tolist() == [1.0]
    for parameter in attention.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())) / 2)
    x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0))
    found, _ = attention.weights(x)
    queries, keys, _ = (x[0] @ weight.T for weight in attention.qkv.weight.split(8))
    directions = attention.direction(x[0])
    for head in range(2):
        own = slice(4 * head, 4 * head + 4)
        match = torch.full((5, 5), -700.0)
        for i, j in ((i, j) for i in range(5) for j in range(5) if i != j):
            content = (queries[i, own] + attention.content_bias[head, 0]) @ keys[j, own]
            towards = directions[i, head + 2 * (j > i)] * attention.direction_scale
            match[i, j] = content * attention.scale + towards + attention.match_bias
        assert torch.allclose(found[0, head], slow_weights(match), atol=1e-5)


def test_a_dropped_gate_copies_a_position_whole_and_leaves_the_others_as_they_are():
    router = Router(NDRSettings(width=8, heads=2, causal=False, gate_dropout=0.25))
    x = torch.randn(50, 40, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    trained, evaluated = router(x), router.eval()(x)
    copied = (trained == x).all(-1)
    assert abs(copied.float().mean() - 0.25) < 0.05
    assert not (trained == x).all(-1)[~copied].any() and torch.equal(trained[~copied], evaluated[~copied])


def test_dropout_of_keys_is_of_training_alone_and_keeps_values():
    attention = GeometricAttention(NDRSettings(width=8, heads=2, causal=False, attention_dropout=0.5))
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    (trained, values), (again, _) = attention.weights(x), attention.weights(x)
    (evaluated, same), (twice, _) = attention.eval().weights(x), attention.weights(x)
    assert not torch.equal(trained, again) and torch.equal(evaluated, twice) and torch.equal(values, same)


def test_a_certain_match_hides_everything_farther():
    match = torch.full((5, 5), -torch.inf)
    match[2, 1] = match[2, 4] = 100.0
    match[2, 3] = 0.0
    assert torch.allclose(closest_first(match)[2], torch.tensor([0, 0.5, 0, 0.5, 0]))


def test_gradients_are_finite_where_nothing_can_match():
    model = build({"architecture": "ndr", "n": 1, "i": 2, "width": 8, "heads": 2}, 5)  # causal: the first sees nothing
    tokens = torch.randint(5, (2, 6), generator=torch.Generator().manual_seed(0))
    model.loss(tokens, tokens).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(("bias", "copied"), [(-1e4, True), (1e4, False)])
def test_a_closed_gate_returns_its_input_exactly(bias: float, copied: bool):
    router = Router(NDRSettings(width=8, heads=2, causal=False))
    torch.nn.init.constant_(router.gate.outer.bias, bias)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(router(x), x) is copied


def test_the_gate_starts_nearly_closed():
    model = build({"architecture": "ndr", "n": 1, "i": 2, "width": 64, "heads": 4}, 5)
    gate = model.get_submodule("routers.0.gate")(torch.randn(4, 9, 64, generator=torch.Generator().manual_seed(0)))
    assert 0.02 < gate.mean() < 0.12
