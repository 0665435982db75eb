"""Ouro: an exit gate at every iteration, and the expected loss over the exits (Zhu et al., 2025, arXiv 2510.25741).

    z_0 = e
    for t in 1..i:
        z_t = LN(B_n(… B_1(z_{t-1})))
        λ_t = sigmoid(w · z_t + b)
        p_t = λ_t (1 - λ_1) … (1 - λ_{t-1}), and p_i = (1 - λ_1) … (1 - λ_{i-1})
    loss = sum_t p_t · CE(Head(LN(z_t)), y) - beta · H(p)

Each position has gates and exits of its own. This is stage I of the paper, in which blocks and gates are trained
together. Stage II, which trains the gates of a finished model by how much each iteration improves, is left out.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Recursive
from asura.tasks.base import IGNORE


class OuroSettings(Recursive):
    """Ouro (Zhu et al., 2025, arXiv 2510.25741): an exit gate at every iteration, trained by the loss over all exits.

    The loss of a position is the mean of its losses after each iteration, weighted by the probabilities to exit there.
    """

    architecture: Literal["ouro"] = "ouro"
    guidance: Literal["none"] = "none"
    """Exit probabilities weigh the losses after each iteration, in place of fixed weights."""
    entropy: float = Field(0.1, ge=0, allow_inf_nan=False)
    """Weight beta of the entropy of the exit probabilities, which keeps training from settling on one exit."""
    exit_threshold: float = Field(1.0, gt=0, le=1)
    """In evaluation, a position is read after the first iteration at which the sum of its exit probabilities reaches
    this value. With 1 it is read after the last one. Later iterations are computed all the same."""


def reached(gates: Sequence[Tensor]) -> list[Tensor]:
    """Log-probabilities to reach each iteration, from the gates' logits: that no earlier one is the exit."""
    found = [torch.zeros_like(gates[0])]
    for gate in gates[:-1]:
        found.append(found[-1] + F.logsigmoid(-gate))
    return found


def exits(gates: Sequence[Tensor]) -> list[Tensor]:
    """Log-probabilities to exit after each iteration; the last one takes the rest."""
    *before, rest = reached(gates)
    return [*(there + F.logsigmoid(gate) for there, gate in zip(before, gates, strict=False)), rest]


class Ouro(Model):
    """The recursion of this file's first lines; the state is (z, what is read of it, the gates' logits so far).

    Of the paper's blocks the norm of z is taken over, which is one for all iterations.
    """

    settings: OuroSettings
    measured = ("mean_exit", "exit_iterations")

    def __init__(self, settings: OuroSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))
        self.iteration_norm = nn.LayerNorm(settings.width)
        self.gate = nn.Linear(settings.width, 1)
        threshold = settings.exit_threshold
        self.rest_at_exit = math.log(1 - threshold) if threshold < 1 else -math.inf
        """The log-probability of what is left when the threshold is reached."""

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(z, z), the embedding: no gate has been read yet."""
        e = self.embed(tokens)
        return e, e

    def iterate(self, state: State, t: int) -> State:
        """One pass through the stack; any number of them can be asked for."""
        z, answer, *gates = state
        for block in self.blocks:
            z = block(z)
        z = self.iteration_norm(z)
        gate = self.gate(z).squeeze(-1)
        gates.append(gate.to(torch.promote_types(gate.dtype, torch.float32)))
        has_exited = reached(gates)[-1] <= self.rest_at_exit
        answer = torch.where(has_exited[..., None], answer, z)
        return z, answer, *gates

    def read(self, state: State) -> Tensor:
        """In training the state itself, since every exit has a loss; in evaluation that of the exit."""
        z, answer, *_ = state
        return z if self.training else answer

    def guidance_weights(self, iterations: int) -> tuple[float, ...]:
        """1 for each: the exit probabilities sum to 1."""
        return (1.0,) * iterations

    def position_weights(self, state: State, last: bool) -> Tensor:
        """The probability to exit here; the last iteration takes the rest."""
        _, _, *gates = state
        here = reached(gates)[-1]
        return here.exp() if last else (here + F.logsigmoid(gates[-1])).exp()

    def penalty(self, state: State, targets: Tensor) -> Tensor:
        """-beta H(p), the mean over asked positions."""
        _, _, *gates = state
        entropy = -torch.stack([log_p.exp() * log_p for log_p in exits(gates)]).sum(0)
        asked = targets != IGNORE
        return -self.settings.entropy * (entropy * asked).sum() / asked.sum().clamp(min=1)

    def measures(self, state: State) -> dict[str, Tensor]:
        """Means over positions: the expected iteration of the exit, and the iterations until the threshold."""
        _, _, *gates = state
        there = torch.stack(reached(gates))
        expected, taken = there.exp().sum(0), (there > self.rest_at_exit).sum(0)
        return {"mean_exit": expected.mean(1), "exit_iterations": taken.to(there.dtype).mean(1)}
