"""How gradients are kept from being too large."""

import math

import torch
from torch import Tensor, nn

from asura.models.model import Model
from asura.planning.training_settings import Training

SMALLEST_WEIGHTS, SMALLEST_GRADIENT = 1e-3, 1e-6
"""Norms of a unit's weights and gradient that count as no smaller, so that weights can leave zero."""


def clip(model: Model, training: Training) -> Tensor:
    """Scale the gradients down as training asks; returns the norm that they had together."""
    if training.clip_by == "norm" or training.clip is None:
        return nn.utils.clip_grad_norm_(model.parameters(), training.clip or math.inf)
    norm = nn.utils.clip_grad_norm_(model.parameters(), math.inf)
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.grad is not None:
                _clip_units(parameter, _inputs(module, parameter), training.clip)
    return norm


def _inputs(module: nn.Module, parameter: nn.Parameter) -> int | None:
    """The dimension of a matrix over which a unit, one output, has its weights; a vector is one unit."""
    if parameter.ndim != 2:
        return None
    return 0 if isinstance(module, nn.Embedding) else 1


@torch.no_grad()
def _clip_units(parameter: nn.Parameter, inputs: int | None, most: float) -> None:
    """Adaptive clipping (Brock et al., 2021, arXiv 2102.06171), with the units and the smallest norms of optax."""
    assert parameter.grad is not None
    weights, gradient = (
        torch.linalg.vector_norm(tensor, dim=inputs, keepdim=True) for tensor in (parameter, parameter.grad)
    )
    allowed = most * weights.clamp(min=SMALLEST_WEIGHTS)
    parameter.grad.mul_((allowed / gradient.clamp(min=SMALLEST_GRADIENT)).clamp(max=1))
