import math
from typing import Any

import pytest
import torch
from torch import Tensor

from asura.models import build
from asura.models.vanilla import VanillaSettings
from asura.tasks.base import IGNORE
from tests.models.test_layers import drawn, scrambled, slow_block, slow_norm

SETTINGS = VanillaSettings(n=3, width=8, heads=2)


def slow_loss(logits: Tensor, targets: Tensor, z_loss: float = 0.0) -> float:
    total = 0.0
    for row, target in zip(logits.flatten(0, 1).tolist(), targets.flatten().tolist(), strict=True):
        if target != IGNORE:
            partition = math.log(sum(map(math.exp, row)))
            total += partition - row[target] + z_loss * partition**2
    return total


@torch.no_grad()
def test_logits_follow_the_equations():
    model: Any = scrambled(build(SETTINGS, 7))
    tokens = drawn(2, 5)
    for row, logits in zip(tokens, model(tokens), strict=True):
        z = slow_norm(model.embedding.weight[row], model.embedding_norm)
        for block in model.blocks:
            z = slow_block(z, block)
        expected = slow_norm(z, model.head_norm) @ model.head.weight.T
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_there_is_one_state_however_many_are_asked_for():
    model = build(SETTINGS, 7)
    assert len(list(model.states(drawn(2, 5), iterations=4))) == 1
    assert model.settings.effective_depth == 3 and model.guidance_weights(1) == (1,)


@pytest.mark.parametrize("z_loss", [0.0, 0.1])
def test_the_loss_is_summed_over_asked_positions(z_loss: float):
    model = scrambled(build(SETTINGS, 7))
    tokens = drawn(3, 6)
    logits = model(tokens)
    targets = logits.argmax(-1)
    targets[0, :4], targets[2] = (targets[0, :4] + 1) % 7, IGNORE
    loss, correct, *_ = model.loss(tokens, targets, z_loss)
    assert loss.item() == pytest.approx(slow_loss(logits, targets, z_loss), rel=1e-5)
    assert correct == 8


def test_a_batch_that_asks_nothing_teaches_nothing():
    model = build(SETTINGS, 7)
    loss, correct, *_ = model.loss(drawn(2, 6), torch.full((2, 6), IGNORE), z_loss=0.1)
    loss.backward()
    assert loss == 0 and correct == 0
    assert not any(parameter.grad.any() for parameter in model.parameters())
