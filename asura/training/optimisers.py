"""Optimisers from torch, and the schedule of their learning rate."""

import math
from typing import Any

from torch import nn
from torch.optim import Adafactor, AdamW, Muon, Optimizer

from asura.planning.training_settings import Training


def optimisers(model: nn.Module, training: Training) -> list[Optimizer]:
    """One optimiser, or two where one takes only some parameters; weight decay is for matrices alone.

    Muon (Jordan et al., 2024) is for the hidden matrices; embeddings, head, norms and biases go to AdamW at the same
    learning rate, which Muon's updates are scaled to fit (Liu et al., 2025, arXiv 2502.16982).
    """
    outer = {id(p) for name, p in model.named_parameters() if name.startswith(("embedding.", "positions.", "head."))}
    matrices = [p for p in model.parameters() if p.ndim == 2 and id(p) not in outer]
    embeddings = [p for p in model.parameters() if id(p) in outer]
    vectors = [p for p in model.parameters() if p.ndim != 2]
    decay, rate = training.weight_decay, training.learning_rate
    if training.optimiser == "muon":
        muon = Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        return [muon, _adamw(embeddings, vectors, training)]
    if training.optimiser == "adafactor":
        return [Adafactor(_groups([*matrices, *embeddings], vectors, decay), lr=rate)]
    return [_adamw([*matrices, *embeddings], vectors, training)]


def _adamw(matrices: list[nn.Parameter], vectors: list[nn.Parameter], training: Training) -> AdamW:
    groups = _groups(matrices, vectors, training.weight_decay)
    return AdamW(groups, lr=training.learning_rate, betas=training.betas, fused=True)


def _groups(matrices: list[nn.Parameter], vectors: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


def rate_factor(training: Training, step: int) -> float:
    """What the learning rate is multiplied by at a step counted from 0; the last step's is above 0.

    A linear warm-up, then: `constant`; `cosine` to 0; or `warmup_stable_decay`, which falls linearly to 0 over the
    last `decay_fraction` of the steps (Hu et al., 2024, arXiv 2404.06395).
    """
    if step < training.warmup_steps:
        return (step + 1) / training.warmup_steps
    left = training.steps - step
    if training.schedule == "cosine":
        return 0.5 - 0.5 * math.cos(math.pi * left / (training.steps - training.warmup_steps))
    if training.schedule == "warmup_stable_decay":
        return min(1.0, left / (training.decay_fraction * training.steps))
    return 1.0
