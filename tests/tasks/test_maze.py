from collections import Counter, defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.common.errors import UserError
from asura.tasks.maze import FREE, GOAL, START, WALL, Maze

settings = st.builds(Maze, size=st.integers(2, 7))


def walk(rows: list[str]) -> tuple[int, int, list[tuple[int, int]]]:
    """Squares that can be reached from S, connections between them, and the shortest way to G, found breadth first."""
    squares = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "#"}
    (start,) = (square for square, mark in squares.items() if mark == "S")
    (goal,) = (square for square, mark in squares.items() if mark == "G")
    beside = {(r, c): {(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)} & set(squares) for r, c in squares}
    came_from, queue = {start: start}, [start]
    for square in queue:
        for following in beside[square] - set(came_from):
            came_from[following] = square
            queue.append(following)
    assert set(came_from) == set(squares)
    way = [goal]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return len(squares), sum(map(len, beside.values())) // 2, way


@given(settings, st.integers(0, 2**32))
def test_the_marked_path_is_the_only_one(settings: Maze, seed: int):
    for task in settings.splits.values():
        tokens, targets = task.draw(3, torch.Generator().manual_seed(seed))
        for example in zip(tokens, targets, strict=True):
            rows = task.show(*example).split(" / ")
            assert len(rows) == len(rows[0]) == 2 * task.size - 1
            squares, connections, way = walk(rows)
            assert squares == 2 * task.size**2 - 1  # all rooms, and a door fewer
            assert connections == squares - 1  # a tree
            marked = {(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark in "SG*"}
            assert marked == set(way)


@given(settings, st.integers(0, 2**32))
def test_every_row_is_as_wide_as_the_largest_maze_and_filled_with_walls(settings: Maze, seed: int):
    for task in settings.splits.values():
        tokens, targets = (x.view(3, 2 * task.size, -1) for x in task.draw(3, torch.Generator().manual_seed(seed)))
        assert tokens.shape[2] == 2 * settings.extrapolate_to
        assert (tokens[:, -1] == WALL).all() and (tokens[:, :, 2 * task.size - 1 :] == WALL).all()
        assert (tokens[:, 1::2, 1::2] == WALL).all() and (tokens[:, ::2, : 2 * task.size : 2] != WALL).all()
        assert (targets[tokens == WALL] == 0).all() and (targets[tokens >= START] == 1).all()
        assert ((tokens == START).sum((1, 2)) == 1).all() and ((tokens == GOAL).sum((1, 2)) == 1).all()


@pytest.mark.parametrize(("size", "trees"), [(2, 4), (3, 192)])
def test_every_tree_is_equally_likely(size: int, trees: int):
    count = 20000
    tokens = Maze(size=size, extrapolate_to=size).generate(count, torch.Generator().manual_seed(0)).tokens
    found = (tokens == WALL).unique(dim=0, return_counts=True)[1]
    assert len(found) == trees
    expected = count / trees
    squares = ((found - expected) ** 2 / expected).sum()
    assert squares < trees - 1 + 5 * (2 * (trees - 1)) ** 0.5


def test_every_pair_of_rooms_is_equally_likely():
    tokens = Maze(size=3, extrapolate_to=3).draw(20000, torch.Generator().manual_seed(0)).tokens
    pairs = 36 * (tokens == START).int().argmax(1) + (tokens == GOAL).int().argmax(1)
    found = pairs.unique(return_counts=True)[1]
    assert len(found) == 9 * 8
    assert ((found - 20000 / 72) ** 2 / (20000 / 72)).sum() < 71 + 5 * 142**0.5


@pytest.mark.parametrize("size", [3, 4])
def test_chance_bounds_the_best_guess_of_larger_mazes(size: int):
    task = Maze(size=size)
    targets = task.draw(20000, torch.Generator().manual_seed(0)).targets
    best = targets.unique(dim=0, return_counts=True)[1].max().item() / 20000
    assert 0.6 * task.chance < best < task.chance + 5 * (task.chance / 20000) ** 0.5


def test_paths_are_of_many_lengths():
    targets = Maze().draw(2000, torch.Generator().manual_seed(0)).targets
    assert set(range(3, 32, 2)) <= set(targets.sum(1).tolist())  # rooms and the doors between them


@pytest.mark.parametrize(("size", "longer_than"), [(3, 7), (5, 20), (15, 110)])
def test_paths_are_longer_than_asked(size: int, longer_than: int):
    task = Maze(size=size, longer_than=longer_than)
    for split in task.splits.values():
        tokens, targets = split.draw(20, torch.Generator().manual_seed(0))
        assert (targets.sum(1) > longer_than).all()
        for example in zip(tokens, targets, strict=True):
            rows = split.show(*example).split(" / ")
            squares, connections, way = walk(rows)
            assert squares == 2 * split.size**2 - 1 == connections + 1
            assert {(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark in "SG*"} == set(way)


def test_a_start_is_any_room_that_is_far_enough():
    count, rooms = 40000, range(9)
    tokens = Maze(size=3, extrapolate_to=3, longer_than=8).draw(count, torch.Generator().manual_seed(0)).tokens
    goals = (tokens == GOAL).int().argmax(1)
    tree = (tokens == WALL).long() @ (1 << torch.arange(tokens.shape[1]))
    starts = (tokens == START).int().argmax(1)
    of_tree: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for key, start in zip(zip(tree.tolist(), goals.tolist(), strict=True), starts.tolist(), strict=True):
        of_tree[key][start] += 1
    assert max(map(len, of_tree.values())) in rooms and len(of_tree) > 300
    for found in of_tree.values():
        mean = found.total() / len(found)
        assert sum((times - mean) ** 2 / mean for times in found.values()) < 60


def test_mazes_of_published_size_are_distinct_and_fast_to_reject():
    task = Maze(size=15, extrapolate_to=15, longer_than=110)
    assert task.sequence_length == 900 and task.chance == 0
    tokens, targets = task.draw(200, torch.Generator().manual_seed(0))
    assert len(targets.unique(dim=0)) == len(tokens.unique(dim=0)) == 200


def test_paths_that_are_too_long_are_refused():
    with pytest.raises(UserError, match="hardly any path is longer than 18 squares at size 3"):
        Maze(size=3, longer_than=18).draw(10, torch.Generator())


def test_splits():
    splits = Maze(size=4).splits
    assert {name: task.size for name, task in splits.items()} == {"validation": 4, "test": 4, "larger": 6}
    assert {name: task.sequence_length for name, task in splits.items()} == {
        "validation": 8 * 12,
        "test": 8 * 12,
        "larger": 12 * 12,
    }
    assert Maze(size=4, extrapolate_to=9).splits["larger"].size == 9


def test_show():
    task = Maze(size=2)
    tokens = torch.zeros(4, 8, dtype=torch.int64)
    tokens[0, 0], tokens[0, 1:3], tokens[1, 0], tokens[2, 0], tokens[2, 2], tokens[1, 2] = START, FREE, 1, 1, GOAL, FREE
    targets = torch.zeros_like(tokens)
    targets[0, :3] = targets[1:3, 2] = 1
    assert task.show(tokens.flatten(), targets.flatten()) == "S** / .#* / .#G"


@pytest.mark.parametrize(
    ("bad", "message"),
    [({"size": 1}, "greater than or equal to 2"), ({"size": 5, "extrapolate_to": 4}, "at least size, 5, found 4")],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Maze(**bad)
