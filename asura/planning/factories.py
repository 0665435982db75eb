"""Optimisers and schedules of one's own: made by what a study names as `MODULE:NAME`."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from asura.common.errors import UserError
from asura.common.plugins import factory
from asura.common.registry import said
from asura.common.validation import checked, in_file
from asura.planning.training_settings import Training


def own_optimiser(groups: list[dict[str, Any]], training: Training) -> Optimizer:
    """What the study's factory makes of groups of parameters, each with its `weight_decay`. Raises UserError."""
    name, settings = training.optimiser, training.optimiser_settings
    try:
        made = factory(name)(groups, lr=training.learning_rate, **settings)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"optimiser {name}: it cannot be made with lr and {dict(settings)} ({said(error)})") from None
    if not isinstance(made, Optimizer):
        raise UserError(f"optimiser {name}: found {type(made).__name__}; it must make a torch.optim.Optimizer")
    return made


def own_factor(training: Training, step: int) -> float:
    """What the study's schedule says for a step after warm-up, counted from 0. Raises UserError."""
    name, settings, steps = training.schedule, training.schedule_settings, training.steps - training.warmup_steps
    try:
        factor = float(factory(name)(step, steps, **settings))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"schedule {name}: it fails at step {step} of {steps} ({said(error)})") from None
    if not 0 <= factor < math.inf:
        raise UserError(f"schedule {name}: found {factor} at step {step} of {steps}; it must be finite and at least 0")
    return factor


def training_of(settings: Mapping[str, Any], where: str) -> Training:
    """Settings of training found at the key path `where`, checked, and factories that they name tried.

    Raises UserError where training would fail with them.
    """
    training = checked(Training, settings, where)
    with in_file(where):
        if ":" in training.optimiser:
            _try_optimiser(training)
        if ":" in training.schedule:
            _try_schedule(training)
    return training


def _try_schedule(training: Training) -> None:
    steps = training.steps - training.warmup_steps
    for step in sorted({0, steps // 2, steps - 1}) if steps else ():
        own_factor(training, step)


def _try_optimiser(training: Training) -> None:
    matrix, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    made = own_optimiser([{"params": [each], "weight_decay": 0.0} for each in (matrix, vector)], training)
    matrix.grad, vector.grad = torch.ones(2, 2), torch.ones(2)
    try:
        made.step()
    except Exception as error:
        raise UserError(f"optimiser {training.optimiser}: its step fails ({said(error)})") from None
    for kept in made.state.values():
        for key, value in kept.items():
            if not isinstance(value, Tensor):
                raise UserError(
                    f"optimiser {training.optimiser}: {key} of its state is no tensor, and would not be in a checkpoint"
                )
