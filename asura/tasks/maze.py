"""Mazes: mark the path from start to goal."""

import math
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from asura.common.errors import UserError
from asura.common.validation import LARGEST
from asura.tasks.base import TRIES, Batch, Metric, Task

WALL, FREE, START, GOAL = range(4)


class Maze(Task):
    """Mazes (Schwarzschild et al., 2021, arXiv 2106.04537; Bansal et al., 2022, arXiv 2202.05826), as a grid of tokens.

    A maze is a uniformly random spanning tree of `size` × `size` rooms, so that exactly one path leads from start to
    goal. Start and goal are any two rooms. The answer is 1 at every position on that path, start and goal included, and
    0 elsewhere. It depends on later positions, so this task needs `model: {causal: false}`.

    The input is a grid of squares, row by row. Room (r, c) is in row 2r and column 2c. The squares to its right and
    below are free if the maze is open there, and walls otherwise. Rows are padded with walls to the width of `larger`
    in every split, so that the room below is always the same number of positions ahead.

    With `longer_than`, the start is any room from which the path is long enough, and mazes without such a room are
    rejected. `{size: 15, longer_than: 110}` is Maze-Hard in kind (Wang et al., 2025, arXiv 2506.21734): 30 rows, and
    shortest paths over 110 squares. Their walls are drawn square by square, so that several paths may reach the goal.

    Splits: `test`; `larger`, mazes of `extrapolate_to` × `extrapolate_to` rooms. Bansal et al. train on mazes of 9 × 9
    squares and evaluate on up to 201 × 201.
    """

    metric: ClassVar[Metric] = "exact_match"

    size: int = Field(5, ge=2, le=LARGEST)
    """Number of rooms along a side."""
    extrapolate_to: int = Field(le=2 * LARGEST, default_factory=lambda settings: settings["size"] + 2)
    """Number of rooms along a side in the split `larger`. The default is `size` + 2."""
    longer_than: int = Field(0, ge=0, le=LARGEST)
    """Number of squares that every path exceeds, start and goal included."""

    @model_validator(mode="after")
    def _extrapolates(self) -> Self:
        if self.extrapolate_to < self.size:
            raise ValueError(f"extrapolate_to must be at least size, {self.size}, found {self.extrapolate_to}")
        return self

    @property
    def vocabulary(self) -> int:
        """Wall, free, start and goal."""
        return 4

    @property
    def sequence_length(self) -> int:
        """Two rows for each row of rooms, as wide as those of `larger`."""
        return 2 * self.size * 2 * self.extrapolate_to

    @property
    def chance(self) -> float:
        """3/4 of the share of a pair of rooms, which no constant guess exceeds, and the best one reaches at size 2.

        The likeliest answer is a pair of neighbours. They are joined as often as the grid's resistance between them
        is large (Kirchhoff): 3/4 in a square of four rooms, and no more where further rooms lie around the square.
        There are so many long paths that 0 stands for their chance.
        """
        if self.longer_than:
            return 0.0
        rooms = self.size**2
        return 0.75 * 2 / (rooms * (rooms - 1))

    @property
    def input_bits(self) -> float:
        """Those of a spanning tree, by Kirchhoff's theorem for a square grid, and of two rooms."""
        waves = 2 * (1 - (torch.arange(self.size, dtype=torch.float64) * math.pi / self.size).cos())
        eigenvalues = (waves[:, None] + waves).flatten()[1:]
        trees = eigenvalues.log2().sum().item() - 2 * math.log2(self.size)
        return trees + math.log2(self.size**2 * (self.size**2 - 1))

    @property
    def harder_splits(self) -> dict[str, Self]:
        """See the class."""
        return {"larger": self.model_copy(update={"size": self.extrapolate_to})}

    def generate(self, count: int, generator: Generator) -> Batch:
        """Draw grids and paths, both (count, sequence_length)."""
        size, rooms = self.size, self.size**2
        draw = self._with_long_paths if self.longer_than else self._any
        start, goal, ahead = draw(count, generator)

        path = torch.zeros(count, rooms, dtype=torch.int64).scatter(1, start, 1)
        jump = ahead
        for _ in range(rooms.bit_length()):  # its first 1, 2, 4, … rooms
            path = path.scatter_reduce(1, jump, path, "amax")
            jump = jump.gather(1, jump)

        width, room = 2 * self.extrapolate_to, torch.arange(rooms)
        place = room // size * 2 * width + room % size * 2  # (rooms,)
        door = (place + place[ahead]) // 2  # (count, rooms), halfway to the next room; the goal's is the goal itself
        free = torch.cat([place.expand_as(door), door], 1)
        walls = torch.full((count, self.sequence_length), WALL)
        tokens = walls.scatter(1, free, FREE).scatter(1, place[start], START).scatter(1, place[goal], GOAL)
        return Batch(tokens, torch.zeros_like(walls).scatter(1, free, path.repeat(1, 2)))

    def _any(self, count: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Start and goal, both (count, 1), and of each room the next one on the way to the goal, (count, rooms)."""
        rooms = self.size**2
        start = torch.randint(rooms, (count, 1), generator=generator)
        goal = (start + torch.randint(1, rooms, (count, 1), generator=generator)) % rooms
        return start, goal, _towards(goal, self.size, generator)

    def _with_long_paths(self, count: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The same of mazes with a long path, and a start from which it is long. Raises UserError."""
        found: list[tuple[Tensor, ...]] = []
        missing = count
        for _ in range(TRIES):
            _, goal, ahead = self._any(missing, generator)
            far = 2 * _steps(goal, ahead) + 1 > self.longer_than
            start = (far * (1 - torch.rand(far.shape, generator=generator))).argmax(1, keepdim=True)
            kept = far.any(1)
            found.append((start[kept], goal[kept], ahead[kept]))
            missing -= int(kept.sum())
            if not missing:
                start, goal, ahead = map(torch.cat, zip(*found, strict=True))
                return start, goal, ahead
        raise UserError(f"Maze: hardly any path is longer than {self.longer_than} squares at size {self.size}")

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Rules of every task; all free squares; start and goal alone."""
        return super().shortcuts(tokens) | {
            "all free squares": (tokens != WALL).long(),
            "start and goal": (tokens >= START).long(),
        }

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The rows, without walls around them: `S** / ##* / ..G`, `#` being a wall and `*` the path."""
        marks = torch.where((targets == 1) & (tokens == FREE), 4, tokens)
        rows = marks.view(2 * self.size, -1)[:-1, : 2 * self.size - 1].tolist()
        return " / ".join("".join("#.SG*"[mark] for mark in row) for row in rows)


def _steps(goal: Tensor, ahead: Tensor) -> Tensor:
    """How many steps each room is from the goal, (count, size²)."""
    steps = (torch.arange(ahead.shape[1]) != goal).long()
    for _ in range(ahead.shape[1].bit_length()):  # of its first 1, 2, 4, … steps
        steps, ahead = steps + steps.gather(1, ahead), ahead.gather(1, ahead)
    return steps


def _towards(goal: Tensor, size: int, generator: Generator) -> Tensor:
    """Of each room, the next one on the way to the goal: (count, size²), for a goal (count, 1), which leads to itself.

    Cycle popping (Propp and Wilson, 1998): each room points to a random neighbour, and while rooms point in circles,
    those in circles point anew. The trees that come out are uniform.
    """
    row, column = torch.arange(size).repeat_interleave(size), torch.arange(size).repeat(size)
    steps = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])
    rows, columns = row[:, None] + steps[:, 0], column[:, None] + steps[:, 1]  # (rooms, 4)
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    order = inside.byte().argsort(dim=1, descending=True, stable=True)
    neighbours, degree = (rows * size + columns).gather(1, order), inside.sum(1)

    room = torch.arange(size**2)
    ahead = room.repeat(len(goal), 1)
    astray = room != goal  # rooms that point in circles, and at first all but the goal
    left = torch.arange(len(goal))  # mazes with such rooms
    while len(left):
        chosen = torch.randint(12, (len(left), len(room)), generator=generator) % degree  # which divides 12
        pointer = torch.where(astray[left], neighbours[room, chosen], ahead[left])
        end = pointer
        for _ in range(len(room).bit_length()):  # after more steps than there are rooms, everyone is at the goal or
            end = end.gather(1, end)  # in a circle, of which every room is then someone's end
        circling = torch.zeros_like(pointer, dtype=torch.bool).scatter(1, end, True) & (room != goal[left])
        ahead[left], astray[left] = pointer, circling
        left = left[circling.any(1)]
    return ahead
