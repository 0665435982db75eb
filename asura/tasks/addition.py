"""n-ary addition: add several numbers, digit by digit."""

import math
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Metric, Task

PLUS, EQUALS, PAD = 10, 11, 12


class Addition(Task):
    """n-ary addition (Saunshi et al., 2025, arXiv 2502.17416), as next-token prediction of the digits of the sum.

    An example is `a + b + c = sum`. Operands are uniform in 0 … 10^digits - 1. All numbers are padded with zeros to a
    fixed width and written with the most significant digit first. The number of operands is uniform over `operands`.
    Examples with fewer operands than the most are padded after the sum.

    Splits: `test`; `most_operands`, only the largest trained number of operands; `more_operands`, `extrapolate_to`
    operands.
    """

    metric: ClassVar[Metric] = "exact_match"
    reads_its_answers: ClassVar[bool] = True

    operands: tuple[Annotated[int, Field(ge=2, le=LARGEST)], ...] = Field((2, 4, 8), min_length=1)
    """Numbers of operands in training. They must be distinct."""
    digits: int = Field(3, ge=1, le=12)
    """Number of digits of an operand."""
    extrapolate_to: int = Field(le=2 * LARGEST, default_factory=lambda settings: 2 * max(settings["operands"]))
    """Number of operands in the split `more_operands`. The default is twice the largest number in training. Sums are
    wide enough for it in every split."""

    @field_validator("operands")
    @classmethod
    def _distinct(cls, operands: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(operands)) < len(operands):
            raise ValueError(f"the numbers must be distinct, found {list(operands)}")
        return operands

    @model_validator(mode="after")
    def _extrapolates(self) -> Self:
        if self.extrapolate_to < max(self.operands):
            raise ValueError(
                f"extrapolate_to must be at least the largest of operands, {max(self.operands)}, "
                f"found {self.extrapolate_to}"
            )
        return self

    @property
    def sum_digits(self) -> int:
        """Digits of a sum, the same for every split."""
        return len(str(self.extrapolate_to * (10**self.digits - 1)))

    @property
    def vocabulary(self) -> int:
        """Ten digits, plus, equals and padding."""
        return 13

    @property
    def sequence_length(self) -> int:
        """The longest example, less the last digit, which is never an input."""
        return max(self.operands) * (self.digits + 1) + self.sum_digits - 1

    @property
    def chance(self) -> float:
        """10^-digits, which no constant guess exceeds, and the best one reaches where all sums are of two.

        Whatever the other operands are, the last one makes 10^digits sums equally likely.
        """
        return 10.0**-self.digits

    @property
    def input_bits(self) -> float:
        """Those of the fewest operands."""
        return min(self.operands) * self.digits * math.log2(10)

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {
            "most_operands": self.model_copy(update={"operands": (max(self.operands),)}),
            "more_operands": self.model_copy(update={"operands": (self.extrapolate_to,)}),
        }

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length), the targets one position ahead."""
        most = max(self.operands)
        drawn = torch.randint(len(self.operands), (count, 1), generator=generator)
        operands = torch.tensor(self.operands)[drawn]  # (count, 1), each example's number of operands
        digits = torch.randint(10, (count, most, self.digits), generator=generator)
        used = torch.arange(most) < operands

        values = (digits * _places(self.digits)).sum(2)
        total = (values * used).sum(1, keepdim=True)
        answer = total // _places(self.sum_digits) % 10

        signs = torch.where(torch.arange(most) == operands - 1, EQUALS, PLUS)
        terms = torch.cat([digits, signs[..., None]], 2).where(used[..., None], PAD).flatten(1)
        sequence = torch.nn.functional.pad(terms, (0, self.sum_digits), value=PAD)
        asked = operands * (self.digits + 1) + torch.arange(self.sum_digits)
        targets = torch.full_like(sequence, IGNORE)
        return Batch(sequence.scatter(1, asked, answer)[:, :-1], targets.scatter(1, asked, answer)[:, 1:])

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The equation: `315 + 120 = 00435`."""
        equation = tokens.tolist()
        question = equation[: equation.index(EQUALS) + 1]
        symbols = [*"0123456789", " + ", " = "]
        return "".join(symbols[token] for token in question + targets[targets != IGNORE].tolist())


def _places(width: int) -> Tensor:
    """The value of each place of a number of that width, (width,): 100, 10, 1."""
    return 10 ** torch.arange(width - 1, -1, -1)
