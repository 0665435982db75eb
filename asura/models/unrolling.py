"""How training uses the iterations: which passes a batch is trained on, and what the loss after each iteration weighs.

A pass is the same for every recursive architecture. Which ones there are follows from the settings of `Recursive`,
from how far training is, and from what is drawn.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from asura.models.settings import Architecture, Recursive

SIGMA = 0.5
"""Of the logarithm of the rate that iterations are drawn at."""

State = tuple[Tensor, ...]
"""What an iteration leaves to the next; the first is z, (B, T, d)."""


class Unrolling(NamedTuple):
    """A pass through the model in training.

    It has a share of the loss, iterations, the first of them without gradient, and noise to start from (B, T, d). With
    deep supervision, so many iterations were done before on the same batch, and left a state.
    """

    share: float
    iterations: int
    without_gradient: int = 0
    noise: Tensor | None = None
    done: int = 0
    carried: State = ()


def unrollings(
    settings: Architecture, generator: Generator | None, progress: float = 1.0, segment: int = 0
) -> Iterator[Unrolling]:
    """The passes that one batch is trained on; without a generator, nothing is drawn and the plain one stands alone.

    progress: the share of the steps that are done. segment: how many steps were taken on this batch before.
    """
    if not isinstance(settings, Recursive):
        yield Unrolling(1.0, settings.i)
        return
    each = settings.i // settings.deep_supervision
    iterations = grown(settings, progress) if settings.growing else each
    if settings.drawn and generator is not None:
        iterations = draw_iterations(settings.drawn_mean(iterations), generator)
    truncated = max(0, iterations - (settings.backpropagate or iterations))
    alpha = settings.progressive if generator is not None else 0.0
    if alpha < 1:
        yield Unrolling(1 - alpha, iterations, truncated, done=segment * each)
    if alpha > 0:
        before = int(torch.randint(0, settings.i, (), generator=generator))
        after = int(torch.randint(1, settings.i - before + 1, (), generator=generator))
        yield Unrolling(alpha, before + after, before)


def grown(settings: Recursive, progress: float) -> int:
    """The iterations of training that grows: 1, 2, … i, each for as long, and i from the share `growing` on."""
    return min(settings.i, 1 + int(progress / settings.growing * settings.i))


def draw_iterations(mean: int, generator: Generator) -> int:
    """A number of iterations, at least 1, with this mean (`Recursive.drawn`)."""
    normal = torch.randn((), generator=generator)
    rate = (mean - 1) * torch.exp(SIGMA * normal - SIGMA**2 / 2)
    return 1 + int(torch.poisson(rate, generator=generator))


def guidance_weights(settings: Architecture, iterations: int) -> tuple[float, ...]:
    """Weight of the loss after each iteration of a pass; they sum to 1.

    `progressive` is the quadratic through the published 2 : 3 : 5 of three iterations (Gupta, 2025).
    """
    guidance = settings.guidance if isinstance(settings, Recursive) else "none"
    if guidance == "none":
        return (0.0,) * (iterations - 1) + (1.0,)
    if guidance == "uniform":
        return (1 / iterations,) * iterations
    if guidance == "progressive":
        raw = [2 + t * (t - 1) / 2 for t in range(1, iterations + 1)]
        return tuple(weight / sum(raw) for weight in raw)
    return guidance
