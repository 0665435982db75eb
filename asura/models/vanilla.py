"""The baseline: a pre-norm GPT, n blocks applied once."""

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from asura.models.layers import Architecture, Block, Model


class VanillaSettings(Architecture):
    """Settings of `vanilla`."""

    architecture: Literal["vanilla"] = "vanilla"
    i: Literal[1] = 1


class Vanilla(Model):
    """z_1 = B_n(… B_1(e)); the next-token baseline of every comparison (Radford et al., 2019)."""

    def __init__(self, settings: VanillaSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))

    def states(self, tokens: Tensor, iterations: int | None = None) -> Iterator[Tensor]:
        """Yield the one state (B, T, d)."""
        z = self.embed(tokens)
        for block in self.blocks:
            z = block(z)
        yield z
