"""Ouro: exits of each position, the expected loss over them, its entropy, and the exit by threshold in evaluation."""

import math
from typing import Any

import pytest
import torch
from torch.nn.functional import layer_norm

from asura.models import build
from asura.models.ouro import exits
from asura.models.unrolling import Unrolling
from asura.tasks.base import IGNORE

V, T = 5, 6
SMALL = {"architecture": "ouro", "n": 1, "i": 3, "width": 8, "heads": 2}
TOKENS = torch.randint(V, (2, T), generator=torch.Generator().manual_seed(0))
TARGETS = TOKENS.roll(1, 1)
TARGETS[0, :2] = IGNORE


class Gates(torch.nn.Module):
    """In place of the gate: for every position the logit of the same given probability, one for each iteration."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.left = [math.log(p / (1 - p)) for p in probabilities]

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full((*z.shape[:2], 1), self.left.pop(0))


def ouro(*probabilities: float, **settings: object) -> Any:
    model: Any = build(SMALL | settings, V)
    if probabilities:
        model.gate = Gates(*probabilities)
    return model


def losses(model: Any, state: torch.Tensor) -> torch.Tensor:
    """Of each asked position, worked out from the logits of a state alone."""
    z = layer_norm(state, (8,), model.head_norm.weight, model.head_norm.bias)
    log_p = (z @ model.head.weight.T).log_softmax(-1)
    return torch.stack([-log_p[b, t, TARGETS[b, t]] for b in range(2) for t in range(T) if TARGETS[b, t] != IGNORE])


def by_hand(model: Any, iterations: int, first: int = 0) -> torch.Tensor:
    """The sum over asked positions of sum_t p_t L_t - beta H(p), position by position, as the paper defines it."""
    states = [z for z, *_ in model.trajectory(TOKENS, first + iterations)][first:]
    each = torch.stack([losses(model, z) for z in states])
    asked = [(b, t) for b in range(2) for t in range(T) if TARGETS[b, t] != IGNORE]
    total = torch.zeros(())
    for place, (b, t) in enumerate(asked):
        survival, p = torch.ones(()), []
        for z in states[:-1]:
            exit_here = 1 / (1 + torch.exp(-(z[b, t] @ model.gate.weight[0] + model.gate.bias[0])))
            p.append(exit_here * survival)
            survival = survival * (1 - exit_here)
        p.append(survival)
        for p_t, loss in zip(p, each[:, place], strict=True):
            total = total + p_t * loss + model.settings.entropy * p_t * p_t.log()
    return total


def test_three_iterations_worked_out_by_hand():
    model = ouro(0.2, 0.5, 0.9, entropy=0.3)
    result = model.loss(TOKENS, TARGETS)
    model.gate = Gates(0.2, 0.5, 0.9)
    first, second, third = (losses(model, z).sum() for z, *_ in model.trajectory(TOKENS))
    # λ = 0.2, 0.5, and a last gate that has no say: p = 0.2, 0.8 · 0.5 and 0.8 · 0.5
    entropy = -(0.2 * math.log(0.2) + 2 * 0.4 * math.log(0.4))
    assert torch.allclose(result.loss, 0.2 * first + 0.4 * second + 0.4 * third - 0.3 * 10 * entropy, rtol=1e-5)
    assert result.measures["mean_exit"].item() == pytest.approx(0.2 * 1 + 0.4 * 2 + 0.4 * 3)


@pytest.mark.parametrize("entropy", [0.0, 0.1])
def test_loss_and_gradient_are_those_of_the_equations(entropy: float):
    model = ouro(i=4, entropy=entropy)
    found = model.loss(TOKENS, TARGETS).loss
    expected = by_hand(model, 4)
    assert torch.allclose(found, expected, rtol=1e-5)
    parameters = [*model.parameters()]
    pairs = zip(torch.autograd.grad(found, parameters), torch.autograd.grad(expected, parameters), strict=True)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in pairs)


def test_a_step_of_deep_supervision_has_gates_of_its_own():
    model = ouro(i=6, deep_supervision=2)
    (z, *_) = list(model.trajectory(TOKENS, 3))[-1]
    found = model.loss(TOKENS, TARGETS, passes=[Unrolling(1.0, 3, done=3, carried=(z.detach(),))])
    assert torch.allclose(found.loss, by_hand(model, 3, first=3), rtol=1e-5) and len(found.carried) == 1


@pytest.mark.parametrize("count", [2, 5])
def test_probabilities_sum_to_1_and_stay_finite(count: int):
    gates = [torch.tensor([-300.0, -2.0, 0.0, 3.0, 300.0], requires_grad=True) for _ in range(count)]
    log_p = torch.stack(exits(gates))
    assert torch.allclose(log_p.exp().sum(0), torch.ones(5))
    (log_p.exp() * log_p).sum().backward()
    assert all(gate.grad.isfinite().all() for gate in gates if gate.grad is not None)


def test_the_weights_of_the_losses_are_the_exit_probabilities():
    model = ouro(i=4)
    states = list(model.trajectory(TOKENS))
    weights = torch.stack([model.position_weights(state, t == 4) for t, state in enumerate(states, start=1)])
    assert torch.allclose(weights, torch.stack(exits(states[-1][2:])).exp()) and weights.min() > 0
    assert torch.allclose(weights.sum(0), torch.ones(2, T))


def test_the_gradient_reaches_the_gate_by_the_loss_and_by_the_entropy():
    by_loss, by_both = ouro(entropy=0.0), ouro(entropy=5.0)
    for model in (by_loss, by_both):
        model.loss(TOKENS, TARGETS).loss.backward()
        assert model.gate.weight.grad.abs().sum() > 0 and model.gate.bias.grad.abs() > 0
    assert not torch.allclose(by_loss.gate.bias.grad, by_both.gate.bias.grad)


def test_the_entropy_is_largest_where_all_exits_are_alike():
    def penalty(*probabilities: float) -> float:
        model = ouro(*probabilities, entropy=1.0)
        *_, state = model.trajectory(TOKENS)
        return model.penalty(state, TARGETS).item()

    assert penalty(1 / 3, 1 / 2, 0.9) == pytest.approx(-math.log(3))
    assert penalty(0.3, 0.5, 0.9) > -math.log(3) + 1e-3


def test_evaluation_reads_each_position_where_its_probabilities_reach_the_threshold():
    model = ouro(0.2, 0.5, 0.5, 0.5, i=4, exit_threshold=0.55).eval()
    states = list(model.trajectory(TOKENS))  # 0.2, then 0.2 + 0.8 · 0.5 = 0.6
    for t, expected in enumerate([0, 1, 1, 1]):
        assert torch.equal(model.read(states[t]), states[expected][0])
        assert torch.equal(model.measures(states[t])["exit_iterations"], torch.full((2,), expected + 1.0))
    model.train()
    assert all(torch.equal(model.read(state), state[0]) for state in states)


def test_positions_exit_on_their_own_and_no_exit_reads_the_future():
    model = ouro(i=6, exit_threshold=0.6).eval()
    with torch.no_grad():
        model.gate.weight.mul_(8)
        states = list(model.trajectory(TOKENS))
        chosen = [
            [torch.equal(model.read(states[-1])[0, t], z[0, t]) for z, *_ in states].index(True) for t in range(T)
        ]
        assert len(set(chosen)) > 1
        after = TOKENS.clone()
        after[:, -1] = (after[:, -1] + 1) % V
        *_, other = model.trajectory(after)
        for mine, changed in zip((model.read(states[-1]), *states[-1]), (model.read(other), *other), strict=True):
            assert torch.allclose(mine[:, :-1], changed[:, :-1], atol=1e-5)


def test_threshold_1_reads_the_last_state_however_sure_a_gate_is():
    model = ouro(i=3).eval()
    with torch.no_grad():
        model.gate.bias.fill_(50.0)
        for z, answer, *_ in model.trajectory(TOKENS, 5):
            assert torch.equal(z, answer)


def test_the_normaliser_is_weighted_like_the_loss():
    model = ouro(0.2, 0.5, 0.9, entropy=0.0)
    with_it = model.loss(TOKENS, TARGETS, z_loss=0.5).loss
    model.gate = Gates(0.2, 0.5, 0.9)
    without = model.loss(TOKENS, TARGETS).loss
    model.gate = Gates(0.2, 0.5, 0.9)
    squares = [
        (model.logits(z).logsumexp(-1).square() * (TARGETS != IGNORE)).sum() for z, *_ in model.trajectory(TOKENS)
    ]
    assert torch.allclose(with_it - without, 0.5 * (0.2 * squares[0] + 0.4 * squares[1] + 0.4 * squares[2]), rtol=1e-4)
