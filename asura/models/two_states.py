"""Recursion of two states, an answer and a latent one, with a halting head; what it shares with all of its kind."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from asura.common.validation import LARGEST
from asura.models.blocks import PostNormBlock
from asura.models.layers import Block
from asura.models.model import Model, State
from asura.models.settings import Recursive
from asura.tasks.base import IGNORE


def supervision_steps(at_most: int) -> Callable[[dict[str, Any]], int]:
    """The default of `deep_supervision`: the fewest steps that take at most so many iterations each.

    It is 1 with rules that deep supervision does not fit, and with guidance that has a weight for each of `i`.
    """

    def steps(settings: dict[str, Any]) -> int:
        rules = [settings.get(rule) for rule in ("drawn", "progressive", "growing")]
        if any(rules) or not isinstance(settings.get("guidance"), str):
            return 1
        i: int = settings.get("i", 1)
        return next(i // each for each in range(at_most, 0, -1) if i % each == 0)

    return steps


class TwoStatesSettings(Recursive):
    """Settings of a recursion of two states. An iteration updates the latent state several times, then the answer."""

    backpropagate: int | None = Field(1, ge=1, le=LARGEST)
    latent_updates: int = Field(ge=1, le=LARGEST)
    """Number of updates of the latent state in one iteration."""
    one_step_gradient: bool
    """Whether only the last update of the latent state in an iteration has a gradient; with false all of them have."""
    recall: bool = True
    """Whether each update of the latent state reads the input. With false, only the first answer is the input."""
    norms: Literal["before", "after"] = "after"
    """Norms of the blocks: `after` each residual connection (published), or `before` attention and MLP, as in most
    architectures here, and once after each pass through the blocks."""
    halting_weight: float = Field(0.5, ge=0, allow_inf_nan=False)
    """Weight of the loss of the halting head, which predicts whether a whole sequence is answered rightly. With 0 there
    is no such head."""

    stacks: ClassVar[int] = 1
    """Stacks of `n` blocks."""

    @property
    def passes(self) -> int:
        """Updates of the latent state, and one of the answer."""
        return self.latent_updates + 1

    @property
    def effective_depth(self) -> int:
        """Number of block applications in one forward pass."""
        return self.n * self.passes * self.i

    @property
    def distinct_blocks(self) -> int:
        """Number of blocks of all stacks."""
        return self.stacks * self.n


class Level(nn.Module):
    """n blocks on (B, T, d), which leave a state that is normalised."""

    def __init__(self, settings: TwoStatesSettings) -> None:
        super().__init__()
        after = settings.norms == "after"
        self.blocks = nn.ModuleList((PostNormBlock if after else Block)(settings) for _ in range(settings.n))
        self.norm = nn.Identity() if after else nn.LayerNorm(settings.width)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class HaltingHead(nn.Linear):
    """The log-odds that a sequence is answered rightly, (B, T, d) to (B,), of the mean over positions.

    They start at -5 whatever the state. The published heads read one position, of a prefix that sequences here lack.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, 1)

    def initialise(self, _: Generator) -> None:
        """Start as a constant."""
        nn.init.zeros_(self.weight)
        nn.init.constant_(self.bias, -5.0)

    def forward(self, y: Tensor) -> Tensor:
        return super().forward(y.mean(1)).squeeze(-1)


class TwoStates(Model):
    """One iteration is z = L(z + y + e), several times, then y = H(y + z); y is read.

    y and z start from vectors that are drawn once and not trained, the same at every position. The gradient flows
    through the last `backpropagate` iterations.

    The halting head is trained by whether all asked positions of a sequence are right after the last iteration of a
    step. Sequences weigh as their asked positions do in the loss. It is a measure alone: training takes a fixed number
    of steps on every batch (in the papers, without ACT), and evaluation takes all iterations, as in the papers.
    """

    carries = 2
    settings: TwoStatesSettings
    first_answer: Tensor
    first_latent: Tensor

    def __init__(self, settings: TwoStatesSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.register_buffer("first_answer", torch.zeros(settings.width))
        self.register_buffer("first_latent", torch.zeros(settings.width))
        self.halting = HaltingHead(settings.width) if settings.halting_weight else None
        self.measured = ("halting_probability",) if self.halting else ()

    def initialise(self, generator: Generator) -> None:
        """Draw the first states."""
        nn.init.normal_(self.first_answer, generator=generator)
        nn.init.normal_(self.first_latent, generator=generator)

    def update_latent(self, x: Tensor) -> Tensor:
        """L."""
        raise NotImplementedError

    def update_answer(self, x: Tensor) -> Tensor:
        """H."""
        raise NotImplementedError

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(y, z, e)."""
        e = self.embed(tokens)
        y = self.first_answer.to(e.dtype).expand_as(e) if self.settings.recall else e
        return y, self.first_latent.to(e.dtype).expand_as(e), e

    def iterate(self, state: State, t: int) -> State:
        """All updates of z, and one of y; any number of iterations can be asked for."""
        y, z, e = state
        injected = y + e if self.settings.recall else y
        updates = self.settings.latent_updates
        for k in range(1, updates + 1):
            traced = torch.is_grad_enabled() and (k == updates or not self.settings.one_step_gradient)
            with torch.set_grad_enabled(traced):
                z = self.update_latent(z + injected)
        return self.update_answer(y + z), z, e

    def penalty(self, state: State, targets: Tensor) -> Tensor | None:
        """The cross-entropy of the halting head."""
        if self.halting is None:
            return None
        asked = targets != IGNORE
        right = ((self.answers(self.read(state)) == targets) | ~asked).all(1)
        odds = self.halting(self.read(state))
        odds = odds.to(torch.promote_types(odds.dtype, torch.float32))
        each = F.binary_cross_entropy_with_logits(odds, right.to(odds.dtype), reduction="none")
        weights = asked.sum(1)
        return self.settings.halting_weight * (each * weights).sum() / weights.sum().clamp(min=1)

    def measures(self, state: State) -> dict[str, Tensor]:
        """The probability that each sequence is answered rightly, as the halting head has it."""
        return {"halting_probability": self.halting(self.read(state)).sigmoid()} if self.halting else {}
