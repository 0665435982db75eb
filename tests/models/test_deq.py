from unittest.mock import Mock

import pytest
import torch

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
@pytest.mark.parametrize("i", [4, 5, 9])
def test_what_is_evaluated_is_what_was_trained_also_far_from_a_fixed_point(solver: str, i: int, monkeypatch):
    model = small(solver=solver, i=i, tolerance=1e-9)
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


def test_settings_that_need_iterations_to_be_unrolled_are_refused():
    for setting in ({"progressive": 0.5}, {"drawn": True}, {"backpropagate": 2}):
        with pytest.raises(ValueError):
            small(**setting)
