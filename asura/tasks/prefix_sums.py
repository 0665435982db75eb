"""Prefix sums modulo 2: the running parity of a string of bits."""

from typing import Annotated, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import Batch, Metric, Task
from asura.tasks.shared.distinct import distinct


class PrefixSums(Task):
    """Prefix sums (Schwarzschild et al., 2021, arXiv 2106.04537; Bansal et al., 2022, arXiv 2202.05826).

    The input is a string of uniform bits. The answer at every position is the parity of the bits up to that position.

    Splits: `test`; `64_bits`, `128_bits`, `256_bits` and `512_bits`, strings of each of the lengths `tested`.
    Bansal et al. train on 32 bits and test on 512.
    """

    metric: ClassVar[Metric] = "exact_match"
    sweeps: ClassVar[dict[str, tuple[str, ...]]] = {"length": ("length",)}

    length: int = Field(32, ge=1, le=LARGEST)
    """Length of a string in bits."""
    tested: Annotated[tuple[Annotated[int, Field(ge=1, le=16 * LARGEST)], ...], AfterValidator(distinct)] = Field(
        default_factory=lambda settings: tuple(settings["length"] * factor for factor in (2, 4, 8, 16))
    )
    """Lengths that have a split each. The default is 2, 4, 8 and 16 times `length`."""

    @property
    def vocabulary(self) -> int:
        """The two bits."""
        return 2

    @property
    def sequence_length(self) -> int:
        """The length of a string."""
        return self.length

    @property
    def chance(self) -> float:
        """2^-length: every string of parities is equally likely."""
        return 2.0**-self.length

    @property
    def input_bits(self) -> float:
        """The bits."""
        return self.length

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {f"{length}_bits": self.model_copy(update={"length": length}) for length in self.tested}

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw bits and their parities, both (count, length)."""
        tokens = torch.randint(2, (count, self.length), generator=generator)
        return Batch(tokens, self.answers(tokens))

    @property
    def steps(self) -> int:
        """Doublings until the sum is over the whole string."""
        return (self.length - 1).bit_length()

    def answers(self, tokens: Tensor, steps: int | None = None) -> Tensor:
        """Parities of the last 2^steps bits up to each position, or of all."""
        sums = tokens.cumsum(1)
        before = F.pad(sums, (1 << steps, 0))[:, : tokens.shape[1]] if steps is not None else 0
        return (sums - before) % 2

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task, and the parity of the last two bits."""
        return super().shortcuts(tokens) | {"last two bits": self.answers(tokens, 1)}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """Bits, then parities: `1011 -> 1101`."""
        bits, parities = ("".join(map(str, row.tolist())) for row in (tokens, targets))
        return f"{bits} -> {parities}"
