"""Universal Transformer: recursion, no long skip, adaptive halting (Dehghani et al., 2018, arXiv 1807.03819)."""

from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Recursive


class UniversalSettings(Recursive):
    """Universal Transformer (Dehghani et al., 2018, arXiv 1807.03819): recursion without a long skip.

    The signal of position and time step is added to the state before every iteration. With adaptive halting, `i` is the
    largest number of iterations of a position.
    """

    architecture: Literal["universal"] = "universal"
    halting: Literal["none", "act"] = "none"
    """Adaptive halting: `act` lets each position stop on its own (adaptive computation time, Graves, 2016, arXiv
    1603.08983)."""
    halting_threshold: float = Field(0.99, gt=0, le=1)
    """A position halts when the sum of its halting probabilities exceeds this value. Only with `halting: act`."""
    ponder_cost: float = Field(0.01, ge=0, allow_inf_nan=False)
    """Loss per iteration of a position, which makes positions halt early. Only with `halting: act`."""


@lru_cache(maxsize=64)
def coordinate_signal(length: int, iteration: int, width: int, device: torch.device) -> Tensor:
    """(length, width): sinusoids of the position plus sinusoids of the time step (equations 6 and 7)."""
    frequency = 10_000.0 ** -(torch.arange(0, width, 2, device=device) / width)
    position = torch.outer(torch.arange(length, device=device), frequency)
    step = iteration * frequency
    signal = torch.stack((position.sin() + step.sin(), position.cos() + step.cos()), dim=-1)
    return signal.flatten(1)


class HaltingUnit(nn.Linear):
    """The probability to halt of each position, (B, T, d) to (B, T); it starts near 0.7."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 1)

    def initialise(self, generator: Generator) -> None:
        """Weights as of any linear map, and a bias of 1."""
        bound = self.in_features**-0.5
        nn.init.uniform_(self.weight, -bound, bound, generator=generator)
        nn.init.ones_(self.bias)

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).squeeze(-1).sigmoid()


class Universal(Model):
    """z_t = B_n(… B_1(z_{t-1} + P_t)), z_0 = e: the position and the time step return at every iteration.

    With ACT (Graves, 2016, arXiv 1603.08983) a position takes its iterations until the sum h of its halting
    probabilities would pass the threshold; what is read is the mean of its states, weighted by those
    probabilities, the last state by the remainder 1 - h. A position that has halted keeps its state. The penalty
    is the mean over positions of iterations plus remainder.
    """

    settings: UniversalSettings

    def __init__(self, settings: UniversalSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))
        self.halting = HaltingUnit(settings.width) if settings.halting == "act" else None
        self.measured = ("halting_iterations",) if self.halting else ()
        self.carries = 5 if self.halting else 1

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(z,), and with ACT (z, weighted sum of states, h, iterations taken, remainder), the last three (B, T).

        The remainder is the weight of the last state, were this iteration the last: 1 - h before it.
        """
        z = self.embed(tokens)
        if not self.halting:
            return (z,)
        none = torch.zeros(z.shape[:2], device=z.device)
        return z, torch.zeros_like(z), none, none, none

    def iterate(self, state: State, t: int) -> State:
        """One pass through the stack; any number of them can be asked for."""
        (z, *_) = state
        z = z + coordinate_signal(z.shape[1], t, z.shape[2], z.device).to(z.dtype)
        for block in self.blocks:
            z = block(z)
        return self._halt(z, state) if self.halting else (z,)

    def _halt(self, new: Tensor, state: State) -> State:
        assert self.halting is not None
        z, mean, h, taken, remainder = state
        running = (h < 1).to(h.dtype)
        probability = self.halting(z) * running
        halts = ((h + probability > self.settings.halting_threshold).to(h.dtype)) * running
        weight = torch.where(halts > 0, 1 - h, probability)
        remainder = torch.where(running > 0, 1 - h, remainder)
        z = torch.where(running[..., None] > 0, new, z)
        # Where a position halts, h is set rather than summed, so that it is 1 and not nearly 1.
        h = torch.where(halts > 0, torch.ones_like(h), h + weight)
        return z, mean + weight[..., None] * z, h, taken + running, remainder

    def read(self, state: State) -> Tensor:
        """The state, or with ACT the weighted mean, in which a position that has not halted ends here."""
        if not self.halting:
            return state[0]
        z, mean, h, _, _ = state
        return (mean + (1 - h)[..., None] * z).to(z.dtype)

    def penalty(self, state: State, targets: Tensor) -> Tensor | None:
        """The ponder cost."""
        if not self.halting:
            return None
        *_, taken, remainder = state
        return self.settings.ponder_cost * (taken + remainder).mean()

    def measures(self, state: State) -> dict[str, Tensor]:
        """Mean number of iterations that the positions of each sequence took."""
        return {"halting_iterations": state[3].mean(1)} if self.halting else {}
