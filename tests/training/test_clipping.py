from typing import Any

import torch
from torch import Tensor, nn

from asura.models import build
from asura.planning.training_settings import Training
from asura.training.clipping import clip

SMALL = {"architecture": "asura", "n": 1, "i": 2, "width": 8, "heads": 2, "bias": True}


def with_gradients(scale: float) -> Any:
    model = build(SMALL, 5)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)
    return model


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def units(name: str, tensor: Tensor) -> list[Tensor]:
    """The weights of each output: a row, of an embedding a column, and all of a vector."""
    if tensor.ndim == 1:
        return [tensor]
    return list(tensor.T if name == "embedding.weight" else tensor)


def test_adaptive_clipping_bounds_each_unit_by_its_weights():
    model = with_gradients(0.2)
    before = gradients(model)
    norm = clip(model, Training(steps=1, clip=0.5, clip_by="adaptive"))
    torch.testing.assert_close(norm, torch.cat([g.flatten() for g in before.values()]).norm())
    clipped = 0
    for name, parameter in model.named_parameters():
        found = units(name, gradients(model)[name])
        for weights, old, new in zip(units(name, parameter), units(name, before[name]), found, strict=True):
            ratio = (old.norm() / weights.norm()).item()
            torch.testing.assert_close(new, old * min(1.0, 0.5 / ratio))
            clipped += ratio > 0.5
    assert 10 < clipped < sum(len(units(name, p)) for name, p in model.named_parameters())


def test_weights_at_zero_can_leave_it():
    model = with_gradients(1.0)
    nn.init.zeros_(model.head.weight)
    clip(model, Training(steps=1, clip=0.5, clip_by="adaptive"))
    torch.testing.assert_close(model.head.weight.grad.norm(dim=1), torch.full((5,), 0.5e-3))


def test_small_gradients_and_those_that_are_not_to_be_clipped_stay():
    for scale, training in [
        (1e-6, Training(steps=1, clip=0.5, clip_by="adaptive")),
        (9.0, Training(steps=1, clip=None, clip_by="adaptive")),
        (9.0, Training(steps=1, clip=None)),
    ]:
        model = with_gradients(scale)
        before = gradients(model)
        clip(model, training)
        assert all(torch.equal(gradient, before[name]) for name, gradient in gradients(model).items())


def test_parameters_without_gradient_are_passed_over():
    model = with_gradients(1.0)
    model.head.weight.grad = None
    clip(model, Training(steps=1, clip_by="adaptive"))
    assert model.head.weight.grad is None
