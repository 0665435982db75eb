"""A stack of blocks, which an architecture applies once or many times."""

from torch import Tensor, nn

from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Architecture


class Stack(Model):
    """z_t = B_n(… B_1(z_{t-1})), z_0 = e."""

    def __init__(self, settings: Architecture, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """The embedding."""
        return (self.embed(tokens),)

    def iterate(self, state: State, t: int) -> State:
        """One pass through the blocks; any number of them can be asked for."""
        (z,) = state
        for block in self.blocks:
            z = block(z)
        return (z,)
