"""p-hop induction: follow the last occurrence of the current token, p times."""

import math
from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Task

DIGITS = 3
"""Of an announced number of hops."""
PLACES = 10 ** torch.arange(DIGITS - 1, -1, -1)


class PHop(Task):
    """p-hop induction (Sanford et al., 2024, arXiv 2402.09268; Saunshi et al., 2025, arXiv 2502.17416).

    The input is a sequence of independent, uniform tokens. One hop leads from position t to position s + 1, where s < t
    is the latest earlier position with the same token. The answer at t is the token that `hops` hops lead to. Nothing
    is asked where a hop leads nowhere. A position whose token is that before it is a fixed point: all hops from it lead
    back to it. `asura plan` prints the share of these among the positions that are asked.

    Saunshi et al. plant a chain of hops for the last position, as `supervision: planted` does: pairs of neighbouring
    tokens at random places, with other tokens between them that leave the hops as they are. A last position is still a
    fixed point with probability 1 / `alphabet`, as in a sequence without a chain. The paper does not say how often it
    is. Without a planted chain, a last position without an answer asks nothing.

    Splits: `test`; `more_hops`, one hop more, which tests whether further iterations take further hops, since nothing
    in the input announces it; `longer`, sequences of twice the length. With `fewest_hops`, the number of hops is
    announced, `more_hops` announces one hop more than training does, and there is also a split for each power of two
    in the range and for its end: `4_hops`.
    """

    hops: int = Field(3, ge=1, le=LARGEST)
    """Number of hops to the answer (p)."""
    alphabet: int = Field(4, ge=2, le=LARGEST)
    """Number of distinct tokens."""
    length: int = Field(32, ge=2, le=LARGEST)
    """Length of a sequence in tokens."""
    supervision: Literal["dense", "last", "planted"] = "dense"
    """Positions that are asked: `dense`, all that have an answer; `last`, only the last one; `planted`, only the last
    one, for which a chain of hops is planted, as published."""
    fewest_hops: int | None = Field(None, ge=1)
    """If given, the number of hops of an example is uniform from this to `hops`, and its three digits stand before the
    sequence. One model can then be asked for any of these numbers."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.fewest_hops is not None and not self.fewest_hops <= self.hops < 10**DIGITS - 1:
            most = 10**DIGITS - 2
            raise ValueError(f"hops must be from fewest_hops, {self.fewest_hops}, to {most}, found {self.hops}")
        if self.supervision == "planted" and self.length < 2 * self.hops + 3:
            raise ValueError(
                f"length must be at least {2 * self.hops + 3} for a planted chain of {self.hops} hops, or one more, "
                f"found {self.length}"
            )
        return self

    @property
    def vocabulary(self) -> int:
        """The alphabet, and the ten digits of announced hops."""
        return self.alphabet + (10 if self.announced else 0)

    @property
    def announced(self) -> int:
        """Number of tokens that announce the hops."""
        return 0 if self.fewest_hops is None else DIGITS

    @property
    def sweeps(self) -> dict[str, tuple[str, ...]]:
        """Announced hops."""
        return {"hops": ("fewest_hops", "hops")} if self.announced else {}

    @property
    def sequence_length(self) -> int:
        """The length of a sequence, and the announcement before it."""
        return self.announced + self.length

    @property
    def chance(self) -> float:
        """1 / alphabet: the symbols are exchangeable."""
        return 1 / self.alphabet

    @property
    def input_bits(self) -> float:
        """Those of the tokens that nothing determines."""
        if self.supervision != "planted":
            return self.length * math.log2(self.alphabet)
        free = self.length - self.hops - 1
        return math.log2(math.comb(free, self.hops)) + free * math.log2(self.alphabet - 1)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        longer = {"longer": self.model_copy(update={"length": 2 * self.length})}
        if self.fewest_hops is None:
            return {"more_hops": self.model_copy(update={"hops": self.hops + 1})} | longer
        numbers = sorted({*(2**k for k in range(self.hops.bit_length())), self.hops})
        asked = {_named(hops).replace(" ", "_"): hops for hops in numbers if hops >= self.fewest_hops}
        asked["more_hops"] = self.hops + 1
        return {n: self.model_copy(update={"hops": hops, "fewest_hops": hops}) for n, hops in asked.items()} | longer

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length)."""
        said = torch.randint(self.alphabet, (count, self.length), generator=generator)
        hops = torch.full((count, 1), self.hops)
        if self.fewest_hops is not None:
            hops = torch.randint(self.fewest_hops, self.hops + 1, (count, 1), generator=generator)
        announcement = (self.alphabet + hops // PLACES % 10)[:, : self.announced]
        if self.supervision != "planted":
            tokens = torch.cat([announcement, said], 1)
            return Batch(tokens, self.answers(tokens))
        said, chain = self._planted(said, generator)
        targets = torch.full((count, self.sequence_length), IGNORE)
        targets[:, -1:] = chain.gather(1, hops)
        return Batch(torch.cat([announcement, said], 1), targets)

    def _planted(self, tokens: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Sequences, made of uniform ones, (count, length), in which a chain of hops leads from the last position.

        The chain, (count, hops + 1), is the last token and those that 1 … `hops` hops from there lead to.

        Pairs are counted from the end. Hop k leads to the second token of pair k. The first one is the token that the
        hop starts from, which must stand nowhere between the pair and the start. So successive tokens of the chain
        differ.
        """
        count, size = tokens.shape
        drawn = torch.rand(count, size - 1 - self.hops, generator=generator).topk(self.hops).indices
        pairs = (drawn.sort(1).values + torch.arange(self.hops)).flip(1)  # they do not overlap
        steps = torch.randint(1, self.alphabet, (count, self.hops), generator=generator)
        chain = torch.cat([tokens[:, -1:], steps], 1).cumsum(1) % self.alphabet

        after = self.hops - torch.zeros_like(tokens).scatter_(1, pairs, 1).cumsum(1)  # how many pairs follow a place
        other = torch.randint(1, self.alphabet, tokens.shape, generator=generator)
        filled = torch.where(after < self.hops, (chain.gather(1, after) + other) % self.alphabet, tokens)
        filled = filled.scatter(1, pairs, chain[:, :-1]).scatter(1, pairs + 1, chain[:, 1:])
        filled[:, -1] = tokens[:, -1]
        fixed = torch.rand(count, 1, generator=generator) < 1 / self.alphabet
        filled[:, -2:-1] = torch.where(fixed, tokens[:, -1:], filled[:, -2:-1])
        return filled, torch.where(fixed, tokens[:, -1:], chain)

    @property
    def steps(self) -> int:
        """The hops."""
        return self.hops

    def answers(self, tokens: Tensor, steps: int | None = None) -> Tensor:
        """The targets of given tokens, or the tokens that the first hops lead to, both (count, sequence_length)."""
        said = tokens[:, self.announced :]
        first = 0 if self.supervision == "dense" else self.length - 1
        hop = self._hop(said)
        position = hop[:, first:-1]
        announcement = tokens[:, : self.announced] - self.alphabet
        told = (announcement * PLACES).sum(1, keepdim=True) if self.announced else torch.tensor(self.hops)
        for taken in range(1, self.hops if steps is None else steps):
            position = hop.gather(1, position).where(taken < told, position)
        targets = torch.full_like(tokens, IGNORE)
        targets[:, self.announced + first :] = F.pad(said, (0, 1), value=IGNORE).gather(1, position)
        return targets

    def _hop(self, said: Tensor) -> Tensor:
        """Where one hop leads from each position of sequences and from one past the end, (count, length + 1).

        A hop that leads nowhere leads past the end, and so does every hop from there.
        """
        nowhere = self.length
        hop = torch.full((len(said), self.length + 1), nowhere)
        after_latest = torch.full((len(said), self.alphabet), nowhere)
        for t, token in enumerate(said.split(1, dim=1)):
            hop[:, t : t + 1] = after_latest.gather(1, token)
            after_latest.scatter_(1, token, t + 1)
        return hop

    def shares(self, batch: Batch) -> dict[str, float]:
        """The share of fixed points among the positions that are asked."""
        asked = batch.targets != IGNORE
        fixed = batch.tokens == batch.tokens.roll(1, 1)
        return {"fixed points": (fixed & asked).sum().item() / max(1, asked.sum().item())}

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task, and fewer hops."""
        said = tokens[:, self.announced :]
        hop, found = self._hop(said), super().shortcuts(tokens)
        position = hop[:, :-1]
        for hops in range(1, self.hops):
            answers = F.pad(said, (0, 1), value=IGNORE).gather(1, position)
            found[_named(hops)] = F.pad(answers, (self.announced, 0), value=IGNORE)
            position = hop.gather(1, position)
        return found

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """Tokens, then answers, `_` where nothing is asked; of one hop, `1 0 1 1 -> _ _ 0 1`."""
        digits, said = tokens[: self.announced] - self.alphabet, tokens[self.announced :]
        announced = f"{''.join(map(str, digits.tolist()))}: " if self.announced else ""
        answers = ["_" if answer == IGNORE else str(answer) for answer in targets[self.announced :].tolist()]
        return f"{announced}{' '.join(map(str, said.tolist()))} -> {' '.join(answers)}"


def _named(hops: int) -> str:
    return f"{hops} hop{'s' if hops > 1 else ''}"
