"""Recurrent depth: prelude, core, coda; iterations drawn per batch (Geiping et al., 2025, arXiv 2502.05171)."""

from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.common.validation import LARGEST
from asura.models.blocks import GatedMLP, SandwichBlock
from asura.models.layers import Block, ConcatSkip
from asura.models.model import LONGEST, Model, State, normal_rows
from asura.models.settings import Recursive

NOISE = (2 / 5) ** 0.5
"""Standard deviation of the first state."""


class RecurrentDepthSettings(Recursive):
    """Recurrent depth (Geiping et al., 2025, arXiv 2502.05171): a prelude, a core that is iterated, and a coda.

    `n` is the number of blocks of the core.
    """

    architecture: Literal["recurrent_depth"] = "recurrent_depth"
    drawn: bool = True
    drawn_i: Literal["mean", "rate"] = "rate"
    backpropagate: int | None = Field(8, ge=1, le=LARGEST)
    prelude: int = Field(1, ge=0, le=LARGEST)
    """Number of blocks before the core."""
    coda: int = Field(1, ge=0, le=LARGEST)
    """Number of blocks after the core."""
    norms: Literal["before", "sandwich"] = "before"
    """Norms of the blocks: `before` attention and MLP, as in every architecture here, or `sandwich`, also after each
    residual connection (published)."""
    mlp: Literal["gelu", "gated_silu"] = "gelu"
    """MLP of the blocks: one hidden layer of GELU, as in every architecture here, or `gated_silu`, which multiplies two
    hidden layers of `mlp_width` each (published)."""

    @property
    def effective_depth(self) -> int:
        """Number of block applications in one forward pass of evaluation."""
        return self.prelude + self.n * self.i + self.coda

    @property
    def distinct_blocks(self) -> int:
        """Number of blocks of prelude, core and coda."""
        return self.prelude + self.n + self.coda


@lru_cache(maxsize=4)
def _same_noise(length: int, width: int) -> Tensor:
    """Of (length, width) a beginning is taken, so that neither batch nor padding change what a sequence starts from."""
    with torch.inference_mode(False):
        return NOISE * torch.randn(length, width, generator=Generator().manual_seed(0))


def _blocks(settings: RecurrentDepthSettings, count: int) -> nn.Sequential:
    blocks = [SandwichBlock(settings) if settings.norms == "sandwich" else Block(settings) for _ in range(count)]
    if settings.mlp == "gated_silu":
        for block in blocks:
            block.add_module("mlp", GatedMLP(settings))
    return nn.Sequential(*blocks)


class RecurrentDepth(Model):
    """e = P(Emb(x)); z_0 is noise; z_t = LN(B_n(… B_1(A [z_{t-1}; e]))); what is read is C(z_t).

    The published blocks have `norms: sandwich` and `mlp: gated_silu`, with LayerNorm here in place of RMSNorm. The
    gradient flows through the last `backpropagate` iterations, in which the prelude has its part by e alone. The
    published number, 8 of 32 in the mean, cuts nothing where no more than 8 are drawn.
    """

    starts_from_noise = True

    def __init__(self, settings: RecurrentDepthSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.prelude = _blocks(settings, settings.prelude)
        self.adapter = ConcatSkip(settings)
        self.core = _blocks(settings, settings.n)
        self.core_norm = nn.LayerNorm(settings.width)
        self.coda = _blocks(settings, settings.coda)

    def noise(self, rows: range, length: int, generator: Generator) -> Tensor:
        """What z starts from, (B, T, d)."""
        return NOISE * normal_rows(rows, (length, self.settings.width), generator)

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(z, e); where no noise is given, as in evaluation, every sequence starts from the same."""
        e = self.prelude(self.embed(tokens))
        if tokens.is_meta:
            return torch.empty_like(e), e
        if noise is None:
            noise = _same_noise(max(LONGEST, e.shape[1]), e.shape[2])[: e.shape[1]].expand_as(e)
        return noise.to(e.device, e.dtype), e

    def iterate(self, state: State, t: int) -> State:
        """One pass through the core; any number of them can be asked for."""
        z, e = state
        return self.core_norm(self.core(self.adapter(z, e))), e

    def read(self, state: State) -> Tensor:
        """Through the coda."""
        return self.coda(state[0])
