"""Sudoku: fill the blank squares of a grid."""

import math
from functools import cache, lru_cache
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from asura.common import randomness
from asura.common.errors import UserError
from asura.common.validation import LARGEST
from asura.tasks.base import IGNORE, Batch, Part, Task

ANY = 0b111111111
"""All nine digits, as options of a square."""
AT_ONCE = 256
"""How many puzzles that need search are made together."""

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

    With `backtracks`, a square is blanked if the puzzle still has one solution, and puzzles are rejected unless a
    search for it runs into so many dead ends. This is Sudoku-Extreme of Wang et al. in kind: 1,000 puzzles are trained
    on, each in all its symmetries, and other puzzles are tested. Theirs were collected as hard ones, and rated by
    another solver. Of puzzles without a further square to blank, half have a backtrack and one in 30 has ten. Each
    process makes its puzzles when it first draws: 1,000 take about half a minute, and more if most are rejected.

    A blank depends on later clues, so this task needs `model: {causal: false}`. The metric counts squares, of which a
    guess gets 1 in box² right. The evaluation also reports `exact_match`, the fraction of solved puzzles.

    Splits: `test`; `harder`, with `extrapolate_to` blanks. With `backtracks`, a split other than training lists its
    puzzles, each once, and has at most `puzzles`.
    """

    box: Literal[2, 3] = 2
    """Number of squares along a side of a box."""
    backtracks: int = Field(0, ge=0, le=16)
    """Smallest number of dead ends in a search for the solution. 0 makes puzzles that singles solve."""
    puzzles: int = Field(1000, ge=1, le=LARGEST)
    """Number of puzzles in training, and the most in each other split; without effect unless there are `backtracks`."""
    blanks: int = Field(
        ge=1, default_factory=lambda settings: 54 if settings["backtracks"] else {2: 8, 3: 36}[settings["box"]]
    )
    """Number of blank squares. The default is 8 of 16, or 36 of 81, or 54 with `backtracks`. Nearly all puzzles that
    singles solve allow 10, or 44; few allow 12, or 50. Without singles, nearly all allow 54 and few 60."""
    extrapolate_to: int = Field(default_factory=lambda settings: settings["blanks"] + {2: 2, 3: 8}[settings["box"]])
    """Number of blank squares of the split `harder`. The default is `blanks` + 2 for boxes of 2, and `blanks` + 8 for
    boxes of 3."""

    @model_validator(mode="after")
    def _blanks_fit(self) -> Self:
        if self.backtracks and self.box == 2:
            raise ValueError("backtracks need a box of 3: nearly all puzzles of 4 × 4 are solved by singles")
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
        if self.backtracks:
            solution, blank = self._hard(count, generator)
        else:
            solution = self._solutions(count, generator)
            blank = self._blanks(solution, torch.rand(solution.shape, generator=generator).argsort(1))
        return Batch(solution.masked_fill(blank, 0), solution.masked_fill(~blank, IGNORE))

    def _hard(self, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Solutions and blanks of puzzles that need search, each turned into any of its symmetries."""
        trains = self.part == "training"
        pool = self._pool(self.puzzles if trains else min(count, self.puzzles))
        every = len(pool[0])
        chosen = torch.randint(every, (count,), generator=generator) if trains else torch.arange(every)
        solution, blank = (grid[chosen] for grid in pool)
        square, digit = self._symmetries(len(chosen), generator)
        return 1 + digit.gather(1, solution.gather(1, square) - 1), blank.gather(1, square)

    def _pool(self, count: int) -> tuple[Tensor, Tensor]:
        """The first puzzles of this part: solutions and blanks, both (count, 81). Raises UserError."""
        found: list[tuple[Tensor, Tensor]] = []
        while (have := sum(len(blank) for _, blank in found)) < count:
            if have < len(found) - 8:
                hard = f"{self.blanks} blanks and {self.backtracks} backtracks"
                raise UserError(f"Sudoku: hardly any puzzle has {hard}; give more blanks or fewer backtracks")
            found.append(_puzzles_that_need_search(self.part, self.blanks, self.backtracks, len(found)))
        solution, blank = (torch.cat(grids)[:count] for grids in zip(*found, strict=True))
        return solution, blank

    def _solutions(self, count: int, generator: Generator) -> Tensor:
        bases = torch.tensor([[int(digit) - 1 for digit in base] for base in BASES[self.box]])
        base = bases[torch.randint(len(bases), (count,), generator=generator)]
        square, digit = self._symmetries(count, generator)
        return 1 + digit.gather(1, base.gather(1, square))

    def _symmetries(self, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """From which square each square is taken, (count, squares), and what each digit becomes, (count, digits)."""
        box, digits = self.box, self.box**2

        def permutations(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator).argsort(-1)

        def lines() -> Tensor:
            return (permutations(box)[..., None] * box + permutations(box, box)).flatten(1)

        square = lines()[:, :, None] * digits + lines()[:, None, :]
        turned = torch.rand(count, 1, 1, generator=generator) < 0.5
        return torch.where(turned, square.mT, square).flatten(1), permutations(digits)

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

    def _commonest_answers(self) -> Tensor:
        """Of puzzles that take long to make, the 1: all digits are as common."""
        return torch.ones(self.sequence_length, dtype=torch.int64) if self.backtracks else super()._commonest_answers()

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


@lru_cache(maxsize=256)
def _puzzles_that_need_search(part: Part, blanks: int, backtracks: int, number: int) -> tuple[Tensor, Tensor]:
    """Those among AT_ONCE puzzles of the given number: solutions and blanks, both (puzzles, 81)."""
    source = randomness.generator("puzzles", part, number)
    solution = Sudoku(box=3)._solutions(AT_ONCE, source)
    digit = (1 << (solution - 1)).short().T.contiguous()  # options are sets of digits as bits, (squares, puzzles)
    options = digit.clone()
    for square in torch.rand(solution.shape, generator=source).argsort(1).T:
        left = (options == ANY).sum(0).lt(blanks).nonzero()[:, 0]
        here = square[left], left
        others = options[:, left]
        others[square[left], torch.arange(len(left))] = ANY & ~digit[here]
        solved_otherwise, _ = _search(others, 1)
        options[here] = digit[here].where(solved_otherwise > 0, ANY)
    _, dead_ends = _search(options, 2)
    chosen = dead_ends >= backtracks
    return solution[chosen], (options == ANY).T[chosen]


def _search(options: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """How many solutions and dead ends a search finds, both (puzzles,), for options (81, puzzles).

    It follows singles. Where none is left, it tries the smallest option of the first square with the fewest, and the
    rest of them. It leaves a puzzle with `most` solutions.
    """
    puzzle = torch.arange(options.shape[1])
    solutions, dead_ends = torch.zeros_like(puzzle), torch.zeros_like(puzzle)
    while options.numel():
        options, dead = _follow_singles(options)
        solved = ~dead & _is_one(options).all(0)
        solutions += puzzle[solved].bincount(minlength=len(solutions))
        dead_ends += puzzle[dead].bincount(minlength=len(solutions))
        left = ~dead & ~solved & (solutions[puzzle] < most)
        options, puzzle = options[:, left], puzzle[left].repeat(2)
        size = sum((options >> digit) & 1 for digit in range(9))
        square = torch.as_tensor(size).masked_fill(_is_one(options), 10).argmin(0, keepdim=True)
        tried = options.gather(0, square)
        smallest = tried & -tried
        options = torch.cat([options.scatter(0, square, digit) for digit in (smallest, tried & ~smallest)], 1)
    return solutions, dead_ends


def _follow_singles(options: Tensor) -> tuple[Tensor, Tensor]:
    """Options, (81, puzzles), when all singles have been followed, and which puzzles cannot be solved, (puzzles,)."""
    result, dead = options.clone(), torch.zeros(options.shape[1], dtype=torch.bool)
    left = torch.arange(options.shape[1])
    while len(left):
        clues, clashing = _once_or_more(options.where(_is_one(options), 0))
        following = options.where(_is_one(options), options & ~_around(clues))
        possible, in_several = _once_or_more(following)
        hidden = following & _around(possible & ~in_several)
        following = following.where(hidden == 0, hidden)
        wrong = (clashing != 0).any(0) | (possible != ANY).any(0) | ~_is_one(hidden).all(0) | (following == 0).any(0)
        goes_on = (following != options).any(0) & ~wrong
        result[:, left[~goes_on]], dead[left[~goes_on]] = following[:, ~goes_on], wrong[~goes_on]
        options, left = following[:, goes_on], left[goes_on]
    return result, dead


def _is_one(options: Tensor) -> Tensor:
    """Whether at most one digit is left."""
    return options & (options - 1) == 0


def _once_or_more(options: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row, column and box, (27, puzzles): digits that are options of any of its squares, and of several."""
    once = several = torch.zeros(27, options.shape[1], dtype=options.dtype)
    for squares in _lines_and_boxes()[0].T:
        here = options[squares]
        once, several = once | here, several | once & here
    return once, several


def _around(found: Tensor) -> Tensor:
    """Of each square, (81, puzzles), the digits found in its row, its column or its box, which are (27, puzzles)."""
    row, column, box = _lines_and_boxes()[1]
    return found[row] | found[column] | found[box]


@cache
def _lines_and_boxes() -> tuple[Tensor, Tensor]:
    """The squares of all rows, columns and boxes, (27, 9), and the row, column and box of each square, (3, 81)."""
    square = torch.arange(81)
    row, column = square // 9, square % 9
    unit = torch.stack([row, 9 + column, 18 + row // 3 * 3 + column // 3])
    return torch.stack([(unit == each).any(0).nonzero()[:, 0] for each in range(27)]), unit
