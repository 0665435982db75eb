"""n-ary addition: add several numbers, digit by digit."""

import math
from typing import Annotated, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Generator, Tensor

from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Metric, Task
from asura.tasks.shared.distinct import distinct

PLUS, EQUALS, END = 10, 11, 12
"""Tokens after the ten digits. END ends a sum, and fills up what follows."""

Operands = Annotated[tuple[Annotated[int, Field(ge=2, le=LARGEST)], ...], AfterValidator(distinct)]


class Addition(Task):
    """n-ary addition (Saunshi et al., 2025, arXiv 2502.17416), as next-token prediction of the sum.

    An example is `a + b + c = sum`. Operands are uniform in 0 … 10^digits - 1 and padded with zeros, as in `045`. The
    sum is not padded, so a model must also say where it ends. The digits of the sum are asked, the most significant one
    first, and then an end. The number of operands is uniform over `operands`.

    Splits: `test`; `8_operands`, `16_operands`, `24_operands` and `32_operands`, sums of each of the numbers of
    operands `tested`.
    """

    metric: ClassVar[Metric] = "exact_match"
    reads_its_answers: ClassVar[bool] = True

    operands: Operands = Field((2, 4, 8, 16, 32), min_length=1)
    """Numbers of operands in training. They must be distinct."""
    digits: int = Field(3, ge=1, le=12)
    """Number of digits of an operand."""
    tested: Operands = (8, 16, 24, 32)
    """Numbers of operands that have a split each."""

    @property
    def sum_digits(self) -> int:
        """Digits of the largest sum."""
        return len(str(max(self.operands) * (10**self.digits - 1)))

    @property
    def vocabulary(self) -> int:
        """Ten digits, plus, equals and end."""
        return 13

    @property
    def sequence_length(self) -> int:
        """The longest example, less its end, which is never an input."""
        return max(self.operands) * (self.digits + 1) + self.sum_digits

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
        return {f"{number}_operands": self.model_copy(update={"operands": (number,)}) for number in self.tested}

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw tokens and targets, both (count, sequence_length), the targets one position ahead."""
        most = max(self.operands)
        drawn = torch.randint(len(self.operands), (count, 1), generator=generator)
        operands = torch.tensor(self.operands)[drawn]  # (count, 1), each example's number of operands
        digits = torch.randint(10, (count, most, self.digits), generator=generator)
        used = torch.arange(most) < operands

        signs = torch.where(torch.arange(most) == operands - 1, EQUALS, PLUS)
        terms = torch.cat([digits, signs[..., None]], 2).where(used[..., None], END).flatten(1)
        total = ((digits * _places(self.digits)).sum(2) * used).sum(1, keepdim=True)
        answers = self._answers(total, operands)
        said = F.pad(answers[:, :-1], (1, 0), value=IGNORE)
        return Batch(F.pad(terms, (0, self.sum_digits), value=END).where(said == IGNORE, said), answers)

    def _answers(self, total: Tensor, operands: Tensor) -> Tensor:
        """Targets, (count, sequence_length), of sums and numbers of operands, both (count, 1)."""
        places = _places(self.sum_digits)
        length = (total >= places).sum(1, keepdim=True).clamp(min=1)
        written = F.pad(total // places % 10, (0, 1), value=END)
        place = torch.arange(self.sum_digits + 1) + self.sum_digits - length
        asked = operands * (self.digits + 1) - 1 + torch.arange(self.sum_digits + 1)
        said = written.gather(1, place.clamp(max=self.sum_digits)).where(place <= self.sum_digits, IGNORE)
        return torch.full((len(total), self.sequence_length), IGNORE).scatter(1, asked, said)

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task; the sum with no digit carried."""
        most = max(self.operands)
        operands = (tokens == PLUS).sum(1, keepdim=True) + 1
        terms = tokens[:, : most * (self.digits + 1)].reshape(len(tokens), most, self.digits + 1)[..., :-1]
        columns = (terms * (torch.arange(most) < operands)[..., None]).sum(1) % 10
        total = (columns * _places(self.digits)).sum(1, keepdim=True)
        return super().shortcuts(tokens) | {"no carry": self._answers(total, operands)}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The equation: `315 + 120 = 435`."""
        equation = tokens.tolist()
        question = equation[: equation.index(EQUALS) + 1]
        symbols = [*"0123456789", " + ", " = ", ""]
        return "".join(symbols[token] for token in question + targets[targets != IGNORE].tolist())


def _places(width: int) -> Tensor:
    """The value of each place of a number of that width, (width,): 100, 10, 1."""
    return 10 ** torch.arange(width - 1, -1, -1)
