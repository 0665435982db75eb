import math
from typing import Any

import pytest
import torch
from torch import Tensor

from asura.models import build
from asura.models.universal import UniversalSettings
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
