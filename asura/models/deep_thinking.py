"""Deep thinking: recall by one projection, and the progressive loss (Bansal et al., 2022, arXiv 2202.05826)."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from asura.models.layers import Block, ConcatSkip
from asura.models.model import Model, State
from asura.models.settings import Recursive


class DeepThinkingSettings(Recursive):
    """Deep thinking (Bansal et al., 2022, arXiv 2202.05826): recall by one projection, and the progressive loss.

    The paper trains prefix sums with `progressive: 1`.
    """

    architecture: Literal["deep_thinking"] = "deep_thinking"
    progressive: float = Field(1.0, ge=0, le=1)


class DeepThinking(Model):
    """z_t = B_n(… B_1(W [z_{t-1}; e])), z_0 = e, with one W, started at random, for all iterations."""

    def __init__(self, settings: DeepThinkingSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.recall = ConcatSkip(settings)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(z, e), both the embedding."""
        e = self.embed(tokens)
        return e, e

    def iterate(self, state: State, t: int) -> State:
        """One pass through the stack; any number of them can be asked for."""
        z, e = state
        z = self.recall(z, e)
        for block in self.blocks:
            z = block(z)
        return z, e
