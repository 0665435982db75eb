"""Parcae: a core whose input returns by a stable linear system (Prairie et al., 2026, arXiv 2604.12946).

    e = LN(Prelude(Emb(x)));   z_0 = 0
    for t in 1..r:
        z_t = B_n(… B_1(exp(Δ A) ⊙ z_{t-1} + Δ ⊙ (B e))),   A = -exp(a) and Δ = softplus(δ), of each channel
    logits = Head(LN(Coda(C z_r)))

The factor of z lies between 0 and 1 whatever is learnt, so that the state cannot grow by being carried over alone.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.common.validation import LARGEST
from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Recursive

KEPT = 5**-0.5
"""What is kept of each channel of z at the start of training."""


class ParcaeSettings(Recursive):
    """Parcae (Prairie et al., 2026, arXiv 2604.12946): prelude, core and coda, and a long skip that cannot diverge.

    `n` is the number of blocks of the core.
    """

    architecture: Literal["parcae"] = "parcae"
    drawn: bool = True
    backpropagate: int | None = Field(4, ge=1, le=LARGEST)
    prelude: int = Field(1, ge=0, le=LARGEST)
    """Number of blocks before the core."""
    coda: int = Field(1, ge=0, le=LARGEST)
    """Number of blocks after the core."""

    @property
    def effective_depth(self) -> int:
        """Number of block applications in one forward pass with the mean number of iterations."""
        return self.prelude + self.n * self.i + self.coda

    @property
    def distinct_blocks(self) -> int:
        """Number of blocks of prelude, core and coda."""
        return self.prelude + self.n + self.coda


class Identity(nn.Linear):
    """A projection from d to d that starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, bias=False)

    def initialise(self, _: Generator) -> None:
        """The identity."""
        nn.init.eye_(self.weight)


class StableInjection(nn.Module):
    """exp(Δ A) ⊙ z + Δ ⊙ (B e) on (B, T, d): a negative diagonal A, discretised exactly, and B by Euler's rule."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.log_rate, self.step = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.project = Identity(width)

    def initialise(self, _: Generator) -> None:
        """A = -1, and Δ such that the factor of z is KEPT."""
        nn.init.zeros_(self.log_rate)
        nn.init.constant_(self.step, math.log(math.expm1(-math.log(KEPT))))

    def kept(self) -> Tensor:
        """exp(Δ A), (d,)."""
        return torch.exp(-F.softplus(self.step) * self.log_rate.exp())

    def injected(self, e: Tensor) -> Tensor:
        """Δ ⊙ (B e), the same at each iteration."""
        return F.softplus(self.step) * self.project(e)


class Parcae(Model):
    """The recursion of this file's first lines; the state is (z, Δ ⊙ (B e)).

    Published models start from noise that is small beside e, and draw the iterations of each sequence, from a Poisson
    distribution without the log-normal rate. Of their blocks nothing is taken over.
    """

    settings: ParcaeSettings

    def __init__(self, settings: ParcaeSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.prelude = nn.Sequential(*(Block(settings) for _ in range(settings.prelude)))
        self.prelude_norm = nn.LayerNorm(settings.width)
        self.injection = StableInjection(settings.width)
        self.core = nn.Sequential(*(Block(settings) for _ in range(settings.n)))
        self.leave = Identity(settings.width)
        self.coda = nn.Sequential(*(Block(settings) for _ in range(settings.coda)))

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(0, what is injected)."""
        injected = self.injection.injected(self.prelude_norm(self.prelude(self.embed(tokens))))
        return torch.zeros_like(injected), injected

    def iterate(self, state: State, t: int) -> State:
        """One pass through the core; any number of them can be asked for."""
        z, injected = state
        return self.core(self.injection.kept() * z + injected), injected

    def read(self, state: State) -> Tensor:
        """Through C and the coda."""
        return self.coda(self.leave(state[0]))
