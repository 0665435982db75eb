"""Optimisers from torch, and the schedule of their learning rate."""

import inspect
import math
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Adafactor, AdamW, NAdam, Optimizer

from asura.planning.factories import own_factor, own_optimiser
from asura.planning.training_settings import Training
from asura.training.muon import Muon

Kind = TypeVar("Kind", bound=Optimizer)
DECORATED = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
"""Methods of every optimiser whose decorators import torch._dynamo on the first call; `step` is another."""


@lru_cache
def undecorated(kind: type[Kind]) -> type[Kind]:
    """The same optimiser without torch's decorators for torch.compile, whose imports take a second of each process.

    Nothing here compiles an optimiser. A method that is not decorated in some version of torch is left as it is.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {**methods, "step": step})


def optimisers(model: nn.Module, training: Training) -> list[Optimizer]:
    """One optimiser, or two where one takes only some parameters.

    Muon (Jordan et al., 2024) is for the hidden matrices; embeddings, head, norms and biases go to AdamW at the same
    learning rate, which Muon's updates are scaled to fit (Liu et al., 2025, arXiv 2502.16982).
    """
    outer = {id(p) for name, p in model.named_parameters() if name.startswith(("embedding.", "positions.", "head."))}
    matrices = [p for p in model.parameters() if p.ndim == 2 and id(p) not in outer]
    embeddings = [p for p in model.parameters() if p.ndim == 2 and id(p) in outer]
    vectors = [p for p in model.parameters() if p.ndim != 2]
    decay, rate = training.weight_decay, training.learning_rate
    if ":" in training.optimiser:
        return [own_optimiser(_groups([*matrices, *embeddings], vectors, training), training)]
    if training.optimiser == "muon":
        muon = undecorated(Muon)(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        return [muon, _adamw(embeddings, vectors, training)]
    if training.optimiser == "adafactor":
        return [undecorated(Adafactor)(_groups([*matrices, *embeddings], vectors, training), lr=rate)]
    if training.optimiser == "nadamw":
        return [_nadamw([*matrices, *embeddings], vectors, training)]
    return [_adamw([*matrices, *embeddings], vectors, training)]


def _adamw(matrices: list[nn.Parameter], vectors: list[nn.Parameter], training: Training) -> AdamW:
    groups = _groups(matrices, vectors, training)
    kind: type[AdamW] = undecorated(AdamW)
    return kind(groups, lr=training.learning_rate, betas=training.betas, eps=training.eps, fused=True)


def _nadamw(matrices: list[nn.Parameter], vectors: list[nn.Parameter], training: Training) -> NAdam:
    """AdamW with Nesterov's momentum, which is constant, as in optax: torch's warm-up of it ends at once."""
    groups = _groups(matrices, vectors, training)
    kind: type[NAdam] = undecorated(NAdam)
    return kind(
        groups,
        lr=training.learning_rate,
        betas=training.betas,
        eps=training.eps,
        momentum_decay=math.inf,
        decoupled_weight_decay=True,
    )


def _groups(matrices: list[nn.Parameter], vectors: list[nn.Parameter], training: Training) -> list[dict[str, Any]]:
    decay = training.weight_decay
    of_vectors = decay if training.weight_decay_of == "all" else 0.0
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": of_vectors}]


def rate_factor(training: Training, step: int) -> float:
    """What the learning rate is multiplied by at a step counted from 0; the last step's is above 0.

    A linear warm-up, then: `constant`; `cosine`; `linear`; or `warmup_stable_decay`, which falls linearly over the last
    `decay_fraction` of the steps (Hu et al., 2024, arXiv 2404.06395). The last three fall to `final_fraction`. One of
    one's own gives the factor itself. None falls below `least_fraction`.
    """
    if step < training.warmup_steps:
        return (step + 1) / training.warmup_steps
    if ":" in training.schedule:
        return max(training.least_fraction, own_factor(training, step - training.warmup_steps))
    left, factor = training.steps - step, 1.0
    if training.schedule == "cosine":
        factor = 0.5 - 0.5 * math.cos(math.pi * left / (training.steps - training.warmup_steps))
    elif training.schedule == "linear":
        factor = left / (training.steps - training.warmup_steps)
    elif training.schedule == "warmup_stable_decay":
        factor = min(1.0, left / (training.decay_fraction * training.steps))
    return max(training.least_fraction, training.final_fraction + (1 - training.final_fraction) * factor)
