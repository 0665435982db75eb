"""Universal Transformer without halting: recursion alone, no long skip (Dehghani et al., 2018, arXiv 1807.03819)."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn

from asura.models.layers import Architecture, Block, Model


class UniversalSettings(Architecture):
    """Settings of `universal`."""

    architecture: Literal["universal"] = "universal"


@lru_cache(maxsize=64)
def coordinate_signal(length: int, iteration: int, width: int, device: torch.device) -> Tensor:
    """(length, width): sinusoids of the position plus sinusoids of the time step (equations 6 and 7)."""
    frequency = 10_000.0 ** -(torch.arange(0, width, 2, device=device) / width)
    position = torch.outer(torch.arange(length, device=device), frequency)
    step = iteration * frequency
    signal = torch.stack((position.sin() + step.sin(), position.cos() + step.cos()), dim=-1)
    return signal.flatten(1)


class Universal(Model):
    """z_t = B_n(… B_1(z_{t-1} + P_t)), z_0 = e: the position and the time step return at every iteration."""

    def __init__(self, settings: UniversalSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))

    def states(self, tokens: Tensor, iterations: int | None = None) -> Iterator[Tensor]:
        """Yield the state (B, T, d) after each iteration; any number of them can be asked for."""
        z = self.embed(tokens)
        for t in range(1, (self.settings.i if iterations is None else iterations) + 1):
            z = z + coordinate_signal(z.shape[1], t, z.shape[2], z.device)
            for block in self.blocks:
                z = block(z)
            yield z
