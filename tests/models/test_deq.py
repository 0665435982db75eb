from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from asura.common.errors import UserError
from asura.models import build

V, T = 5, 6
TOKENS = torch.randint(V, (3, T), generator=torch.Generator().manual_seed(0))
TARGETS = TOKENS.roll(1, 1)


def small(**settings: object):
    size = {"architecture": "deq", "n": 1, "i": 100, "width": 8, "heads": 2, "tolerance": 1e-5}
    return build(size | settings, V).double()


def unrolled(model, steps: int) -> torch.Tensor:
    e = model.embed(TOKENS)
    z = torch.zeros_like(e)
    for _ in range(steps):
        z = model.function(z, e)
    return z


@pytest.mark.parametrize("solver", ["anderson", "broyden"])
def test_the_implicit_gradient_is_that_of_a_long_unrolling(solver: str):
    model = small(solver=solver, i=80)
    model.loss(TOKENS, TARGETS).loss.backward()
    implicit = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    logits = model.logits(unrolled(model, 200)).flatten(0, 1)
    torch.nn.functional.cross_entropy(logits, TARGETS.flatten(), reduction="sum").backward()
    for name, parameter in model.named_parameters():
        assert torch.allclose(implicit[name], parameter.grad, atol=2e-3 * parameter.grad.abs().max().clamp(min=1)), name


@pytest.mark.parametrize("solver", ["anderson", "broyden"])
def test_the_residual_is_below_the_tolerance_or_reported(solver: str):
    with torch.no_grad():
        *_, solved = small(solver=solver).eval().trajectory(TOKENS)
        *_, hurried = small(solver=solver, i=4).eval().trajectory(TOKENS)
        model = small(solver=solver)
        e = model.embed(TOKENS)
        again = model.function(solved[0], e)
        residual = (again - solved[0]).norm(dim=-1) / again.norm(dim=-1)
    assert (residual < 2e-5).all()
    found = model.measures(solved)
    assert (found["converged"] == 1).all() and (found["residual"] < 1e-5).all()
    assert (found["evaluations"] < 100).all()
    assert (model.measures(hurried)["converged"] < 1).all()


def test_the_first_evaluations_are_plain_iterations():
    model = small().eval()
    with torch.no_grad():
        states = list(model.trajectory(TOKENS, 2))
        assert len(states) == 2
        assert torch.allclose(states[1][0], unrolled(model, 2))
        assert (states[1][2] == 2).all()


@pytest.mark.parametrize("solver", ["anderson", "broyden"])
@pytest.mark.parametrize(
    ("i", "how"), [(4, {}), (5, {}), (9, {}), (9, {"ift": False, "backpropagate": 3}), (5, {"ift": False})], ids=str
)
def test_what_is_evaluated_is_what_was_trained_also_far_from_a_fixed_point(solver: str, i: int, how: dict, monkeypatch):
    model = small(solver=solver, i=i, tolerance=1e-9, **how)
    calls = Mock(wraps=model.function)
    monkeypatch.setattr(model, "function", calls)
    (trained,) = model.trajectory(TOKENS)
    assert calls.call_count == i
    with torch.no_grad():
        states = list(model.trajectory(TOKENS))
        longer = list(model.trajectory(TOKENS, i + 3))
    assert len(states) == i and not model.measures(trained)["converged"].any()
    assert torch.allclose(trained[0], states[-1][0], atol=1e-12)
    assert torch.allclose(trained[1], states[-1][1], atol=1e-12)
    assert torch.equal(longer[i - 1][0], states[-1][0])
    assert [state[2].max().item() for state in longer] == list(range(1, i + 4))


def gradient(model, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def cross_entropy(model, z: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(model.logits(z).flatten(0, 1), TARGETS.flatten(), reduction="sum")


@pytest.mark.parametrize("cut", [1, 3])
def test_the_phantom_gradient_flows_through_the_last_evaluations(cut: int):
    model = small(ift=False, backpropagate=cut, i=60)
    found = gradient(model, model.loss(TOKENS, TARGETS).loss)
    e, z = model.embed(TOKENS), unrolled(model, 300).detach()
    for _ in range(cut):
        z = model.function(z, e)
    expected = gradient(model, cross_entropy(model, z))
    assert all(torch.allclose(found[name], expected[name], atol=1e-3) for name in expected)


def test_without_a_solver_all_evaluations_are_plain_iterations():
    model = small(ift=False, i=6)
    (trained,) = model.trajectory(TOKENS)
    assert torch.allclose(trained[0], unrolled(model, 6))
    found = gradient(model, model.loss(TOKENS, TARGETS).loss)
    expected = gradient(model, cross_entropy(model, unrolled(model, 6)))
    assert all(torch.allclose(found[name], expected[name]) for name in expected)


def test_the_warm_start_trains_two_unrolled_evaluations_for_its_share_of_the_steps():
    model = small(warm_start=0.25, jacobian=1.0)
    begun, over = (model.drawn(range(3), T, torch.Generator(), progress) for progress in (0.249, 0.25))
    assert [unrolling.iterations for unrolling in (*begun, *over)] == [2, 100]
    found = gradient(model, model.loss(TOKENS, TARGETS, passes=begun).loss)
    expected = gradient(model, cross_entropy(model, unrolled(model, 2)))
    assert all(torch.allclose(found[name], expected[name]) for name in expected)


def test_the_jacobian_loss_is_that_of_the_jacobian_formed_whole():
    model: Any = small(jacobian=0.5)
    passes = model.drawn(range(3), T, torch.Generator().manual_seed(0))
    v = passes[0].noise.double()
    (state,) = model.trajectory(TOKENS, noise=passes[0].noise)
    e = model.embed(TOKENS)
    with sdpa_kernel(SDPBackend.MATH):
        whole = torch.autograd.functional.jacobian(lambda z: model.function(z, e), state[0])
    product = torch.einsum("btd,btdxyz->xyz", v, whole)
    assert torch.allclose(state[3], product.square().mean((1, 2)))
    plain = small(jacobian=0.0)
    with_loss, without = (each.loss(TOKENS, TARGETS, passes=passes).loss for each in (model, plain))
    assert torch.allclose(with_loss - without, 0.5 * product.square().mean() * TOKENS.numel())


def test_the_jacobian_loss_has_a_gradient():
    model: Any = small(jacobian=1.0)
    z, e, v = torch.randn(3, 3, T, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = model.blocks[0].attention.qkv.weight

    def loss(step: float) -> torch.Tensor:
        with torch.no_grad():
            weight[3, 2] += step
        (found,) = model._jacobian(z, e, v)
        return found.mean()

    higher, lower = float(loss(1e-4)), float(loss(-2e-4))
    loss(1e-4).backward()
    assert weight.grad[3, 2].item() == pytest.approx((higher - lower) / 2e-4, rel=1e-4)


def test_settings_that_need_iterations_to_be_unrolled_are_refused():
    cut = {"ift": False, "backpropagate": 98}
    for setting in ({"progressive": 0.5}, {"drawn": True}, {"backpropagate": 2}, cut):
        with pytest.raises(UserError):
            small(**setting)
