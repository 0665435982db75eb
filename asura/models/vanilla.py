"""The baseline: a pre-norm GPT, n blocks applied once."""

from typing import Literal

from torch import Generator, Tensor, nn

from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Architecture


class VanillaSettings(Architecture):
    """The baseline (Radford et al., 2019): a pre-norm GPT whose blocks are applied once."""

    architecture: Literal["vanilla"] = "vanilla"
    i: Literal[1] = 1
    """Number of iterations. A stack without recursion is applied once."""


class Vanilla(Model):
    """z_1 = B_n(… B_1(e)); the next-token baseline of every comparison (Radford et al., 2019)."""

    def __init__(self, settings: VanillaSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))

    def start(self, tokens: Tensor, generator: Generator | None = None) -> State:
        """The embedding."""
        return (self.embed(tokens),)

    def iterate(self, state: State, t: int) -> State:
        """The one pass through the stack."""
        (z,) = state
        for block in self.blocks:
            z = block(z)
        return (z,)
