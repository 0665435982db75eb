"""Sudoku: fill the blank squares of a grid."""

import math
from functools import cache
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from asura.tasks.base import IGNORE, Batch, Task

# Solutions from which symmetries make all others: for boxes of 2, all 288, of which the second makes twice as many
# as the first; for boxes of 3, one that has no symmetry of its own and makes 9! · 6^8 · 2, some 10^12.
BASES = {
    2: ["1234341221434321", "1234341223414123", "1234341223414123"],
    3: ["534678912672195348198342567859761423426853791713924856961537284287419635345286179"],
}


class Sudoku(Task):
    """Sudoku (Palm et al., 2018, arXiv 1711.08028; Wang et al., 2025, arXiv 2506.21734), one token per square.

    The input is a grid of box² × box² squares, row by row, with 0 for a blank. The answer at a blank square is its
    digit. Solutions are made from a few grids by relabelling, transposition, and permutations of bands, stacks and the
    lines in them. Squares are then blanked in random order. A square stays filled unless the remaining clues determine
    it by a single: no other digit is possible in it, or its digit is possible in no other blank square of its row,
    column or box. So every puzzle has one solution and can be solved by singles. A puzzle has fewer than `blanks`
    blanks if no further square can be blanked.

    A blank depends on later clues, so this task needs `model: {causal: false}`. The metric counts squares, of which a
    guess gets 1 in box² right. The evaluation also reports `exact_match`, the fraction of solved puzzles.

    Splits: `test`; `harder`, with `extrapolate_to` blanks.
    """

    box: Literal[2, 3] = 2
    """Number of squares along a side of a box."""
    blanks: int = Field(ge=1, default_factory=lambda settings: {2: 8, 3: 36}[settings["box"]])
    """Number of blank squares. The default is 8 of 16, or 36 of 81. Nearly all puzzles allow 10, or 44; few allow 12,
    or 50."""
    extrapolate_to: int = Field(default_factory=lambda settings: settings["blanks"] + {2: 2, 3: 8}[settings["box"]])
    """Number of blank squares of the split `harder`. The default is `blanks` + 2 for boxes of 2, and `blanks` + 8 for
    boxes of 3."""

    @model_validator(mode="after")
    def _blanks_fit(self) -> Self:
        if not self.blanks <= self.extrapolate_to < self.box**4:
            raise ValueError(
                f"extrapolate_to must be at least blanks, {self.blanks}, and below the {self.box**4} squares, "
                f"found {self.extrapolate_to}"
            )
        return self

    @property
    def vocabulary(self) -> int:
        """A blank and the digits."""
        return self.box**2 + 1

    @property
    def sequence_length(self) -> int:
        """The squares."""
        return self.box**4

    @property
    def chance(self) -> float:
        """1 / box²: the digits are exchangeable."""
        return 1 / self.box**2

    @property
    def input_bits(self) -> float:
        """Boxes of 2 have few solutions, and so few puzzles."""
        return math.inf if self.box > 2 else math.log2(288) + self.box**4

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {"harder": self.model_copy(update={"blanks": self.extrapolate_to})}

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw puzzles and the digits of their blank squares, both (count, box^4)."""
        solution = self._solutions(count, generator)
        blank = self._blanks(solution, torch.rand(solution.shape, generator=generator).argsort(1))
        return Batch(solution.masked_fill(blank, 0), solution.masked_fill(~blank, IGNORE))

    def _solutions(self, count: int, generator: Generator) -> Tensor:
        box, digits = self.box, self.box**2

        def permutations(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator).argsort(-1)

        def lines() -> Tensor:
            return (permutations(box)[..., None] * box + permutations(box, box)).flatten(1)

        bases = torch.tensor([[int(digit) - 1 for digit in base] for base in BASES[box]]).view(-1, digits, digits)
        base = bases[torch.randint(len(bases), (count,), generator=generator)]
        grid = base[torch.arange(count)[:, None, None], lines()[:, :, None], lines()[:, None, :]]
        turned = torch.rand(count, 1, 1, generator=generator) < 0.5
        return 1 + permutations(digits).gather(1, torch.where(turned, grid.mT, grid).flatten(1))

    def _blanks(self, solution: Tensor, order: Tensor) -> Tensor:
        digits, units = self.box**2, _units(self.box)
        peers = torch.zeros(len(units), len(units)).scatter(1, units.flatten(1), 1).fill_diagonal_(0)
        seen = peers @ one_hot(solution - 1, digits).float()  # (count, squares, digits): how many peers are such a clue
        blank = torch.zeros_like(solution, dtype=torch.bool)
        example = torch.arange(len(solution))
        every = example[:, None, None]
        for square in order.T:
            digit = solution[example, square] - 1
            naked = (seen[example, square] > 0).sum(1) == digits - 1
            # Of the blank squares around, which see no clue of the digit but this one?
            takes = blank[every, units[square]] & (seen[every, units[square], digit[:, None, None]] == 1)
            hidden = ~takes.any(2).all(1)  # in a row, column or box there is none
            given_away = (naked | hidden) & (blank.sum(1) < self.blanks)
            blank[example, square] = given_away
            seen[example, :, digit] -= peers[square] * given_away[:, None]
        return blank

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task, and the smallest digit that no clue in the row, column or box rules out."""
        units = _units(self.box)
        around = tokens[:, units.flatten(1)]  # (count, squares, 3 digits)
        ruled_out = (around[..., None] == torch.arange(1, self.box**2 + 1)).any(2)
        return super().shortcuts(tokens) | {"smallest digit left": 1 + (~ruled_out).long().argmax(2)}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """Rows of the puzzle, then of the solution: `1.3. .... -> 1234 3412`."""
        solution = torch.where(targets == IGNORE, tokens, targets)
        return " -> ".join(
            " ".join("".join(".123456789"[square] for square in row) for row in squares.view(self.box**2, -1).tolist())
            for squares in (tokens, solution)
        )


@cache
def _units(box: int) -> Tensor:
    """The squares of the row, the column and the box of each square: (squares, 3, digits)."""
    digits = box**2
    square = torch.arange(digits**2)
    row, column = square // digits, square % digits
    kinds = [row, column, row // box * box + column // box]
    return torch.stack([(kind[:, None] == kind).nonzero()[:, 1].view(-1, digits) for kind in kinds], 1)
