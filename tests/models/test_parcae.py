"""Parcae: the state is carried by a linear system that is stable whatever is learnt."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from asura.models import build
from asura.models.parcae import Parcae, StableInjection

V, T, D = 5, 6, 8
SMALL = {"architecture": "parcae", "n": 2, "i": 4, "width": D, "heads": 2, "prelude": 2, "coda": 1}
TOKENS = torch.randint(V, (3, T), generator=torch.Generator().manual_seed(0))


def parcae(**settings: object) -> Any:
    model = build(SMALL | settings, V)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():  # away from a start at the identity
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.double()


def linear_step(model: Any, z: Tensor, e: Tensor) -> Tensor:
    """One channel of one position after the other, from the paper's continuous system z' = A z + B e."""
    injection = model.injection
    found = torch.empty_like(z)
    for c in range(D):
        rate = -torch.exp(injection.log_rate[c])
        step = torch.log(1 + torch.exp(injection.step[c]))
        for b in range(len(z)):
            for t in range(T):
                found[b, t, c] = torch.exp(step * rate) * z[b, t, c] + step * (injection.project.weight[c] @ e[b, t])
    return found


def test_states_are_those_of_the_equations():
    model = parcae()
    with torch.no_grad():
        e = model.embed(TOKENS)
        for block in model.prelude:
            e = block(e)
        e = model.prelude_norm(e)
        z = torch.zeros_like(e)
        for state in model.trajectory(TOKENS, 6):
            z = linear_step(model, z, e)
            for block in model.core:
                z = block(z)
            assert torch.allclose(state[0], z)
            assert torch.allclose(model.read(state), model.coda[0](z @ model.leave.weight.T))


@given(st.lists(st.floats(-10, 3), min_size=2 * D, max_size=2 * D))
def test_no_channel_is_ever_amplified(values: list[float]):
    injection = StableInjection(D).double()
    injection.log_rate.data, injection.step.data = torch.tensor(values, dtype=torch.float64).view(2, D)
    assert (injection.kept() > 0).all() and (injection.kept() < 1).all()


def test_without_a_core_the_state_comes_to_rest_where_the_linear_system_does():
    model = parcae(n=1)
    model.core = nn.Sequential()
    with torch.no_grad():
        *_, (z, injected) = model.trajectory(TOKENS, 2000)
    assert torch.allclose(z, injected / (1 - model.injection.kept()))


def test_training_starts_as_published():
    model: Any = build(SMALL, V)
    assert torch.allclose(model.injection.kept(), torch.full((D,), 0.2**0.5))
    assert torch.equal(model.injection.project.weight, torch.eye(D)) and torch.equal(model.leave.weight, torch.eye(D))
    (unrolling,) = build(SMALL | {"drawn": False, "i": 8}, V).unrollings()
    assert unrolling[:3] == (1.0, 8, 4)


def test_the_gradient_reaches_rate_step_and_projection():
    model = build(SMALL | {"drawn": False}, V)
    assert isinstance(model, Parcae)
    model.loss(TOKENS, TOKENS.roll(1, 1)).loss.backward()
    for parameter in model.injection.parameters():
        assert parameter.grad is not None and (parameter.grad != 0).all()


@pytest.mark.parametrize(("prelude", "coda"), [(0, 0), (2, 1)])
def test_parameters_counted_by_hand(prelude: int, coda: int):
    model = build(SMALL | {"prelude": prelude, "coda": coda}, V)
    block = 12 * D**2 + 4 * D + 2 * D // 2  # matrices, norms, norms of queries and keys
    outer = 2 * V * D + 4 * D
    own = 2 * D + D**2 + D**2 + 2 * D  # rate and step, B, C, the norm of e
    assert sum(p.numel() for p in model.parameters()) == (prelude + 2 + coda) * block + outer + own
