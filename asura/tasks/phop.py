"""p-hop induction: follow the last occurrence of the current token, p times."""

import math
from typing import Literal, Self

import torch
from pydantic import Field
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Task


class PHop(Task):
    """p-hop induction (Sanford et al., 2024, arXiv 2402.09268; Saunshi et al., 2025, arXiv 2502.17416).

    The input is a sequence of independent, uniform tokens. One hop leads from position t to position s + 1, where s < t
    is the latest earlier position with the same token. The answer at t is the token that `hops` hops lead to. Nothing
    is asked where a hop leads nowhere. Saunshi et al. plant a chain of hops for the last position. Here a last position
    without an answer asks nothing.

    Splits: `test`; `more_hops`, one hop more, which tests whether further iterations take further hops, since nothing
    in the input announces it; `longer`, sequences of twice the length.
    """

    hops: int = Field(3, ge=1, le=LARGEST)
    """Number of hops to the answer (p)."""
    alphabet: int = Field(4, ge=2, le=LARGEST)
    """Number of distinct tokens."""
    length: int = Field(32, ge=2, le=LARGEST)
    """Length of a sequence in tokens."""
    supervision: Literal["dense", "last"] = "dense"
    """Positions that are asked: `dense`, all that have an answer; `last`, only the last one, as published."""

    @property
    def vocabulary(self) -> int:
        """The alphabet."""
        return self.alphabet

    @property
    def sequence_length(self) -> int:
        """The length of a sequence."""
        return self.length

    @property
    def chance(self) -> float:
        """1 / alphabet: the symbols are exchangeable."""
        return 1 / self.alphabet

    @property
    def input_bits(self) -> float:
        """Those of a sequence of independent tokens."""
        return self.length * math.log2(self.alphabet)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {
            "more_hops": self.model_copy(update={"hops": self.hops + 1}),
            "longer": self.model_copy(update={"length": 2 * self.length}),
        }

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, length)."""
        tokens = torch.randint(self.alphabet, (count, self.length), generator=generator)
        return Batch(tokens, self.answers(tokens))

    def answers(self, tokens: Tensor) -> Tensor:
        """The targets of given tokens, both (count, length)."""
        nowhere = self.length  # one position past the end, which every hop from it leads back to
        hop = torch.full((len(tokens), self.length + 1), nowhere)
        after_latest = torch.full((len(tokens), self.alphabet), nowhere)
        for t, token in enumerate(tokens.split(1, dim=1)):
            hop[:, t : t + 1] = after_latest.gather(1, token)
            after_latest.scatter_(1, token, t + 1)
        position = hop
        for _ in range(self.hops - 1):
            position = hop.gather(1, position)
        targets = torch.nn.functional.pad(tokens, (0, 1), value=IGNORE).gather(1, position[:, :-1])
        if self.supervision == "last":
            targets[:, :-1] = IGNORE
        return targets

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task, and fewer hops."""
        fewer = {hops: self.model_copy(update={"hops": hops, "supervision": "dense"}) for hops in range(1, self.hops)}
        answers = {f"{hops} hop{'s' if hops > 1 else ''}": task.answers(tokens) for hops, task in fewer.items()}
        return super().shortcuts(tokens) | answers

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """Tokens, then answers, `_` where nothing is asked; of one hop, `1 0 1 1 -> _ _ 0 1`."""
        answers = ["_" if answer == IGNORE else str(answer) for answer in targets.tolist()]
        return f"{' '.join(map(str, tokens.tolist()))} -> {' '.join(answers)}"
