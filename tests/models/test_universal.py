import math
from typing import Any

import pytest
import torch
from torch import Tensor

from asura.models import build
from asura.models.universal import UniversalSettings, step_signal
from tests.models.test_layers import drawn, scrambled


def signal(length: int, step: int, width: int) -> Tensor:
    """Equations 6 and 7 of the paper, one coordinate at a time."""
    rows = torch.zeros(length, width, dtype=torch.float64)
    for position in range(length):
        for j in range(width // 2):
            scale = 10_000 ** (2 * j / width)
            rows[position, 2 * j] = math.sin(position / scale) + math.sin(step / scale)
            rows[position, 2 * j + 1] = math.cos(position / scale) + math.cos(step / scale)
    return rows


@pytest.mark.parametrize(("n", "i", "iterations"), [(1, 1, 1), (2, 3, None), (3, 2, 4)])
@torch.no_grad()
def test_states_follow_the_equations(n: int, i: int, iterations: int | None):
    model: Any = scrambled(build(UniversalSettings(n=n, i=i, width=8, heads=2), vocabulary=7))
    tokens = drawn(2, 5)
    z, t = model.embed(tokens), 0
    for t, state in enumerate(model.states(tokens, iterations), start=1):
        z = z + signal(5, t, 8)
        for block in model.blocks:
            z = block(z)
        torch.testing.assert_close(state, z, rtol=0, atol=1e-5)
    assert t == (iterations or i)


def test_more_iterations_cost_no_parameters():
    one, more = (build(UniversalSettings(i=i, width=8, heads=2), vocabulary=7) for i in (1, 5))
    assert one.state_dict().keys() == more.state_dict().keys()
    assert more.settings.effective_depth == 5


@torch.no_grad()
def test_a_learned_step_signal_is_one_vector_for_each_iteration_and_stays_at_the_last():
    model: Any = scrambled(build(UniversalSettings(i=2, width=8, heads=2, step_signal="learned"), vocabulary=7))
    assert model.steps.weight.shape == (2, 8)
    tokens = drawn(2, 5)
    z = model.embed(tokens)
    positions = signal(5, 0, 8) - torch.tensor([0.0, 1.0] * 4)  # less the step's sines and cosines of 0
    for t, state in enumerate(model.states(tokens, 4)):
        z = model.blocks[0](z + positions + model.steps.weight[min(t, 1)])
        torch.testing.assert_close(state, z, rtol=0, atol=1e-5)


@torch.no_grad()
def test_norms_can_stand_after_each_residual_connection():
    model: Any = scrambled(build(UniversalSettings(i=1, width=8, heads=2, norms="after"), vocabulary=7))
    tokens, block = drawn(2, 5), model.blocks[0]
    x = model.embed(tokens) + signal(5, 1, 8)
    a = block.attention_norm(x + block.attention(x))
    (state,) = model.states(tokens)
    torch.testing.assert_close(state, block.mlp_norm(a + block.mlp(a)), rtol=0, atol=1e-5)


def test_the_signal_of_a_time_step_stays_where_a_graph_has_read_it():
    first = step_signal(1, 8, torch.device("cpu"))
    for t in range(2, 200):
        step_signal(t, 8, torch.device("cpu"))
    assert step_signal(1, 8, torch.device("cpu")) is first
