"""Sudoku: fill the blank cells of a grid."""

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
    """Sudoku (Palm et al., 2018, arXiv 1711.08028; Wang et al., 2025, arXiv 2506.21734), one token for each cell.

    A grid of box² × box² cells, row by row, 0 where it is blank; the answer at a blank cell is its digit. Solutions
    are those that relabelling, transposition and permutations of bands, of stacks, and of the lines in them make of
    BASES. Cells are then blanked in random order, one being passed over unless the clues that remain still give it
    away: no other digit is possible there, or no other blank cell of its row, column or box can take its digit. So
    the last to be blanked can be filled first, and so on: every puzzle has one solution, found by such singles.
    Where all cells were passed over before `blanks` are blank, fewer are.

    Blank cells depend on later clues: this task wants `model: {causal: false}`. It is scored by cells, of which a
    guess gets exactly 1 in box²; `exact_match`, the share of solved puzzles, stands beside it in every evaluation.

    Splits: `test`; `harder`, with `extrapolate_to` blanks.
    """

    box: Literal[2, 3] = 2
    """Cells along a side of a box."""
    blanks: int = Field(ge=1, default_factory=lambda settings: {2: 8, 3: 36}[settings["box"]])
    """Blank cells; by default 8 of 16, or 36 of 81. Nearly all puzzles allow 10, or 44; few allow 12, or 50."""
    extrapolate_to: int = Field(default_factory=lambda settings: settings["blanks"] + {2: 2, 3: 8}[settings["box"]])
    """Blank cells of `harder`, by default 2 more in boxes of 2, and 8 more in boxes of 3."""

    @model_validator(mode="after")
    def _blanks_fit(self) -> Self:
        if not self.blanks <= self.extrapolate_to < self.box**4:
            raise ValueError(
                f"extrapolate_to must be at least blanks, {self.blanks}, and below the {self.box**4} cells, "
                f"found {self.extrapolate_to}"
            )
        return self

    @property
    def vocabulary(self) -> int:
        """A blank and the digits."""
        return self.box**2 + 1

    @property
    def sequence_length(self) -> int:
        """The cells."""
        return self.box**4

    @property
    def chance(self) -> float:
        """1 / box²: the digits are exchangeable."""
        return 1 / self.box**2

    @property
    def splits(self) -> dict[str, Self]:
        """See the class."""
        return {"test": self, "harder": self.model_copy(update={"blanks": self.extrapolate_to})}

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw puzzles and the digits of their blank cells, both (count, box^4)."""
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
        seen = peers @ one_hot(solution - 1, digits).float()  # (count, cells, digits): how many peers are such a clue
        blank = torch.zeros_like(solution, dtype=torch.bool)
        example = torch.arange(len(solution))
        every = example[:, None, None]
        for cell in order.T:
            digit = solution[example, cell] - 1
            naked = (seen[example, cell] > 0).sum(1) == digits - 1
            # Of the blank cells around, which see no clue of the digit but this one?
            takes = blank[every, units[cell]] & (seen[every, units[cell], digit[:, None, None]] == 1)
            hidden = ~takes.any(2).all(1)  # in a row, column or box there is none
            given_away = (naked | hidden) & (blank.sum(1) < self.blanks)
            blank[example, cell] = given_away
            seen[example, :, digit] -= peers[cell] * given_away[:, None]
        return blank

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """Rows of the puzzle, then of the solution: `1.3. .... -> 1234 3412`."""
        solution = torch.where(targets == IGNORE, tokens, targets)
        return " -> ".join(
            " ".join("".join(".123456789"[cell] for cell in row) for row in cells.view(self.box**2, -1).tolist())
            for cells in (tokens, solution)
        )


@cache
def _units(box: int) -> Tensor:
    """The cells of the row, the column and the box of each cell: (cells, 3, digits)."""
    digits = box**2
    cell = torch.arange(digits**2)
    row, column = cell // digits, cell % digits
    kinds = [row, column, row // box * box + column // box]
    return torch.stack([(kind[:, None] == kind).nonzero()[:, 1].view(-1, digits) for kind in kinds], 1)
