"""Universal Transformer: recursion, no long skip, adaptive halting (Dehghani et al., 2018, arXiv 1807.03819)."""

from functools import cache, lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.models.blocks import PostNormBlock
from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Recursive


class UniversalSettings(Recursive):
    """Universal Transformer (Dehghani et al., 2018, arXiv 1807.03819): recursion without a long skip.

    The signal of position and time step is added to the state before every iteration. With adaptive halting, `i` is the
    largest number of iterations of a position.
    """

    architecture: Literal["universal"] = "universal"
    step_signal: Literal["sinusoid", "learned"] = "sinusoid"
    """Signal of the time step: a `sinusoid`, as in the paper, or a `learned` vector for each iteration, as in the
    authors' code (tensor2tensor). Beyond training, `learned` stays at its last vector."""
    norms: Literal["before", "after"] = "before"
    """Norms of the blocks: `before` attention and MLP, as in every architecture here and in the authors' code, or
    `after` each residual connection, as in the paper."""
    halting: Literal["none", "act"] = "none"
    """Adaptive halting: `act` lets each position stop on its own (adaptive computation time, Graves, 2016, arXiv
    1603.08983)."""
    halting_threshold: float = Field(0.99, gt=0, le=1)
    """A position halts when the sum of its halting probabilities exceeds this value. Only with `halting: act`."""
    ponder_cost: float = Field(0.01, ge=0, allow_inf_nan=False)
    """Loss per iteration of a position, which makes positions halt early. Only with `halting: act`."""


def _sinusoids(first: int, count: int, width: int, device: torch.device) -> Tensor:
    """(count, width): sine and cosine of each place from `first` on, at frequencies that fall (equations 6 and 7)."""
    frequency = 10_000.0 ** -(torch.arange(0, width, 2, device=device) / width)
    angle = torch.outer(torch.arange(first, first + count, device=device), frequency)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)


@lru_cache(maxsize=16)
def position_signal(length: int, width: int, device: torch.device) -> Tensor:
    """Of every position, (length, width)."""
    return _sinusoids(0, length, width, device)


@cache  # a CUDA graph reads it where it is, so none may go
def step_signal(t: int, width: int, device: torch.device) -> Tensor:
    """Of an iteration, (1, width)."""
    return _sinusoids(t, 1, width, device)


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

    With ACT a position takes its iterations until the sum h of its halting probabilities would pass the threshold.
    The probability of iteration t is read from z_{t-1} + P_t, as in tensor2tensor. What is read in the end is the
    mean of the position's states, weighted by the probabilities, and the last state by the remainder 1 - h. A
    position that has halted keeps its state. The penalty is the mean over positions of iterations plus remainder.

    Of the published variants, this is the mean of Graves (2016, arXiv 1603.08983), `act_type: accumulated` in
    tensor2tensor. The paper's listing interpolates instead, y_t = p_t z_t + (1 - p_t) y_{t-1}. In tensor2tensor's
    `basic`, a slip of brackets makes that the mean less the sum of its weights. There, what has halted is also
    iterated on for others to attend to, and what has not halted at the last iteration has no remainder.
    """

    settings: UniversalSettings

    def __init__(self, settings: UniversalSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        kind = Block if settings.norms == "before" else PostNormBlock
        self.blocks = nn.ModuleList(kind(settings) for _ in range(settings.n))
        self.steps = nn.Embedding(settings.i, settings.width) if settings.step_signal == "learned" else None
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
        z = z + self._signal(z, t)
        new = z
        for block in self.blocks:
            new = block(new)
        return self._halt(self.halting(z), new, state) if self.halting else (new,)

    def _signal(self, z: Tensor, t: int) -> Tensor:
        """P_t of positions and iteration, (T, d)."""
        _, length, width = z.shape
        step = step_signal(t, width, z.device) if self.steps is None else self.steps.weight[min(t, self.settings.i) - 1]
        return (position_signal(length, width, z.device) + step).to(z.dtype)

    def _halt(self, probability: Tensor, new: Tensor, state: State) -> State:
        """The state after an iteration that led to `new`, at whose start the positions halt with this probability."""
        z, mean, h, taken, remainder = state
        running = (h < 1).to(h.dtype)
        probability = probability * running
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
