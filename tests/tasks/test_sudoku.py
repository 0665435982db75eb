from collections.abc import Iterator
from functools import cache
from itertools import islice, permutations, product

import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.common.errors import UserError
from asura.tasks import sudoku
from asura.tasks.base import IGNORE
from asura.tasks.sudoku import Sudoku

settings = st.one_of(
    st.builds(Sudoku, box=st.just(2), blanks=st.integers(1, 13)), st.builds(Sudoku, box=st.just(3), blanks=st.just(44))
)


def read(text: str, box: int) -> tuple[list[int], list[int]]:
    """The squares of the puzzle and of the solution, checked to be a whole grid of rows."""
    grids = [grid.split(" ") for grid in text.split(" -> ")]
    assert all(len(grid) == box**2 == len(row) for grid in grids for row in grid)
    puzzle, solution = ([int(square.replace(".", "0")) for row in grid for square in row] for grid in grids)
    return puzzle, solution


@cache
def neighbours(square: int, box: int) -> set[int]:
    row, column = divmod(square, box**2)
    return {
        r * box**2 + c
        for r, c in product(range(box**2), repeat=2)
        if r == row or c == column or (r // box, c // box) == (row // box, column // box)
    } - {square}


PEERS = [neighbours(square, 3) for square in range(81)]


def solutions(puzzle: list[int], box: int) -> list[list[int]]:
    """All of them."""
    return list(found_by_trying(puzzle, box))


def found_by_trying(puzzle: list[int], box: int) -> Iterator[list[int]]:
    options = {
        square: set(range(1, box**2 + 1)) - {puzzle[other] for other in neighbours(square, box)}
        for square, digit in enumerate(puzzle)
        if digit == 0
    }
    if not options:
        yield puzzle
        return
    square = min(options, key=lambda square: len(options[square]))
    for digit in sorted(options[square]):
        yield from found_by_trying([*puzzle[:square], digit, *puzzle[square + 1 :]], box)


def grids_of_four() -> set[tuple[int, ...]]:
    lines = list(permutations(range(1, 5)))
    return {
        a + b + c + d
        for a, b in product(lines, repeat=2)
        if len({*a[:2], *b[:2]}) == 4 == len({*a[2:], *b[2:]})
        for c, d in product(lines, repeat=2)
        if len({*c[:2], *d[:2]}) == 4 == len({*c[2:], *d[2:]})
        if all(len(set(column)) == 4 for column in zip(a, b, c, d, strict=True))
    }


@run(max_examples=30)
@given(settings, st.integers(0, 2**32))
def test_the_answer_is_the_one_solution_of_the_puzzle(settings: Sudoku, seed: int):
    for task in settings.splits.values():
        tokens, targets = task.draw(2, torch.Generator().manual_seed(seed))
        for example in zip(tokens, targets, strict=True):
            puzzle, solution = read(task.show(*example), task.box)
            assert solutions(puzzle, task.box) == [solution]
            assert puzzle.count(0) <= task.blanks


def test_a_puzzle_of_four_has_one_solution_among_all_grids():
    every = torch.tensor(sorted(grids_of_four()))
    assert len(every) == 288
    for blanks in (4, 8, 13):
        tokens, targets = Sudoku(blanks=blanks, extrapolate_to=13).draw(500, torch.Generator().manual_seed(0))
        fits = ((tokens[:, None] == every) | (tokens[:, None] == 0)).all(2)
        assert (fits.sum(1) == 1).all()
        solution = every[fits.int().argmax(1)]
        assert torch.equal(targets, torch.where(tokens == 0, solution, IGNORE))


def test_every_grid_of_four_is_equally_likely():
    count = 28800
    tokens, targets = Sudoku().draw(count, torch.Generator().manual_seed(0))
    found, often = torch.where(tokens == 0, targets, tokens).unique(dim=0, return_counts=True)
    assert {tuple(grid) for grid in found.tolist()} == grids_of_four()
    assert ((often - 100) ** 2 / 100).sum() < 287 + 5 * (2 * 287) ** 0.5


def test_lines_and_digits_of_a_large_grid_are_exchangeable():
    count = 3000
    tokens, targets = Sudoku(box=3).draw(count, torch.Generator().manual_seed(0))
    solutions = torch.where(tokens == 0, targets, tokens)
    digits = torch.nn.functional.one_hot(solutions - 1, 9).float()
    assert (digits.mean(0) - 1 / 9).abs().max() < 5 * (8 / 81 / count) ** 0.5
    equal = (solutions[:, :, None] == solutions[:, None]).float().mean(0)
    for one, other in product(range(81), repeat=2):
        band = one // 27 == other // 27
        stack = one % 9 // 3 == other % 9 // 3
        # The digit of a square stands in each other box once: in one of 6 squares, or of 9 where no line is shared.
        expected = float(one == other) if one == other or other in PEERS[one] else 1 / 6 if band or stack else 1 / 9
        assert equal[one, other] == pytest.approx(expected, abs=0 if expected in (0, 1) else 0.037)


@pytest.mark.parametrize(("box", "blanks"), [(2, 8), (3, 36), (3, 42)])
def test_every_puzzle_has_as_many_blanks_as_are_asked_for(box: int, blanks: int):
    tokens, targets = Sudoku(box=box, blanks=blanks).draw(1000, torch.Generator().manual_seed(0))
    assert ((tokens == 0).sum(1) == blanks).all()
    assert torch.equal(tokens == 0, targets != IGNORE)
    spread = (tokens == 0).float().mean(0)
    share = blanks / box**4
    assert (spread - share).abs().max() < 0.2  # blanks are everywhere


def test_where_no_further_square_can_be_blanked_fewer_are():
    most = Sudoku(blanks=15, extrapolate_to=15).draw(1000, torch.Generator().manual_seed(0)).tokens == 0
    assert most.sum(1).max() == 12  # four clues are the fewest that leave one solution
    assert most.sum(1).min() >= 7


@pytest.fixture
def few_at_once(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(sudoku, "AT_ONCE", 8)
    sudoku._puzzles_that_need_search.cache_clear()
    yield
    sudoku._puzzles_that_need_search.cache_clear()


UNITS = [
    {k for k in range(81) if (k // 9, k % 9, k // 27 * 3 + k % 9 // 3)[kind] == v}
    for kind, v in product(range(3), range(9))
]


def follow(options: list[set[int]]) -> list[set[int]] | None:
    """Options of the squares when singles are followed one by one; None where there is a contradiction."""
    before = None
    while options != before:
        before = [set(each) for each in options]
        for square in range(81):
            for other in PEERS[square]:
                if len(options[other]) == 1:
                    options[square] -= options[other]
        for unit, digit in product(UNITS, range(1, 10)):
            places = [square for square in unit if digit in options[square]]
            if not places:
                return None
            if len(places) == 1:
                options[places[0]] &= {digit}
        if not all(options):
            return None
    return options


def dead_ends(options: list[set[int]]) -> int:
    """Dead ends of the search that the task describes."""
    followed = follow([set(each) for each in options])
    if followed is None:
        return 1
    sizes = [len(each) for each in followed]
    if max(sizes) == 1:
        return 0
    square = sizes.index(min(size for size in sizes if size > 1))
    tried = {min(followed[square])}
    branches = [[*followed[:square], some, *followed[square + 1 :]] for some in (tried, followed[square] - tried)]
    return sum(map(dead_ends, branches))


@pytest.mark.parametrize("backtracks", [1, 3])
def test_puzzles_that_need_search_have_one_solution_and_so_many_dead_ends(few_at_once, backtracks: int):
    solution, blank = Sudoku(box=3, backtracks=backtracks, blanks=56)._pool(3)
    assert len(solution) == 3
    puzzles = solution.masked_fill(blank, 0).tolist()
    for puzzle, solved in zip(puzzles, solution.tolist(), strict=True):
        assert solutions(puzzle, 3) == [solved]
        assert puzzle.count(0) <= 56
        assert dead_ends([{digit} if digit else set(range(1, 10)) for digit in puzzle]) >= backtracks


def test_all_with_enough_dead_ends_are_kept(few_at_once):
    every, blank = sudoku._puzzles_that_need_search("test", 55, 0, 0)
    found = [
        dead_ends([{digit} if digit else set(range(1, 10)) for digit in puzzle])
        for puzzle in every.masked_fill(blank, 0).tolist()
    ]
    assert len(found) == 8 and 0 in found
    for backtracks in (1, 2, 4):
        kept, _ = sudoku._puzzles_that_need_search("test", 55, backtracks, 0)
        chosen = torch.tensor([ends >= backtracks for ends in found])
        assert torch.equal(kept, every[chosen])


def test_no_further_square_can_be_blanked(few_at_once):
    solution, blank = sudoku._puzzles_that_need_search("test", 81, 1, 0)
    puzzle = solution[0].masked_fill(blank[0], 0).tolist()
    assert 50 < puzzle.count(0) < 64
    for square, digit in enumerate(puzzle):
        if digit:
            fewer = found_by_trying([*puzzle[:square], 0, *puzzle[square + 1 :]], 3)
            assert len(list(islice(fewer, 2))) == 2


def test_training_turns_few_puzzles_and_other_splits_list_others(few_at_once):
    def kind(puzzle: list[int]) -> tuple[tuple[int, ...], ...]:
        """What no symmetry changes: numbers of clues in each row and column, and how often each digit is a clue."""
        grid = [puzzle[k : k + 9] for k in range(0, 81, 9)]
        rows = sorted(sum(map(bool, row)) for row in grid)
        columns = sorted(sum(map(bool, column)) for column in zip(*grid, strict=True))
        return (*sorted([(*rows,), (*columns,)]), (*sorted(puzzle.count(digit) for digit in range(1, 10)),))

    task = Sudoku(box=3, backtracks=1, puzzles=3)
    tokens, targets = task.draw(60, torch.Generator().manual_seed(0))
    kinds = {kind(puzzle) for puzzle in tokens.tolist()}
    assert len(kinds) == 3 and len(tokens.unique(dim=0)) == 60
    for name, blanks in (("validation", 54), ("test", 54), ("harder", 62)):
        split = task.splits[name]
        held_out = split.draw(60, torch.Generator().manual_seed(0))
        assert len(held_out.tokens) == 3 and len(split.draw(2, torch.Generator()).tokens) == 2
        assert not kinds & {kind(puzzle) for puzzle in held_out.tokens.tolist()}
        assert ((held_out.tokens == 0).sum(1) <= blanks).all()
        for example in zip(*held_out, strict=True):
            puzzle, solution = read(task.show(*example), 3)
            assert solutions(puzzle, 3) == [solution]
    rules = task.shortcuts(tokens)
    assert max((rules[rule] == targets)[targets != IGNORE].float().mean() for rule in rules) < 0.5


def test_puzzles_that_hardly_exist_are_refused(few_at_once):
    with pytest.raises(UserError, match="hardly any puzzle has 20 blanks and 16 backtracks; give more blanks"):
        Sudoku(box=3, blanks=20, backtracks=16).draw(1, torch.Generator())


def test_splits():
    assert {name: task.blanks for name, task in Sudoku().splits.items()} == {"validation": 8, "test": 8, "harder": 10}
    assert {name: task.blanks for name, task in Sudoku(box=3).splits.items()} == {
        "validation": 36,
        "test": 36,
        "harder": 44,
    }
    assert Sudoku(box=3, blanks=30, extrapolate_to=50).splits["harder"].blanks == 50


def test_show():
    tokens = torch.tensor([1, 0, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 0])
    targets = torch.full_like(tokens, IGNORE)
    targets[1], targets[15] = 2, 1
    assert Sudoku().show(tokens, targets) == "1.34 3412 2143 432. -> 1234 3412 2143 4321"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"box": 4}, "2 or 3"),
        ({"blanks": 0}, "greater than or equal to 1"),
        ({"blanks": 8, "extrapolate_to": 7}, "at least blanks, 8, and below the 16 squares, found 7"),
        ({"blanks": 16}, "below the 16 squares, found 18"),
        ({"box": 3, "extrapolate_to": 81}, "below the 81 squares"),
        ({"backtracks": 1}, "backtracks need a box of 3"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Sudoku(**bad)
