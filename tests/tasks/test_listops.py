from collections import Counter
from collections.abc import Callable, Iterator
from math import floor
from statistics import median

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.listops import ListOps

FUNCTIONS: dict[str, Callable[[list[int]], int]] = {
    "[MIN": min,
    "[MAX": max,
    "[MED": lambda values: floor(median(values)),
    "[SM": lambda values: sum(values) % 10,
}
settings = st.builds(ListOps, depth=st.integers(1, 5), per_level=st.integers(1, 4), arguments=st.integers(2, 6))


def value(words: Iterator[str], counts: Counter[int]) -> int | None:
    """The value of what comes next, None if it is a closing bracket; numbers of arguments are counted."""
    word = next(words)
    if word == "]":
        return None
    if word.isdigit():
        return int(word)
    values = list(iter(lambda: value(words, counts), None))
    counts[len(values)] += 1
    return FUNCTIONS[word](values)


@given(settings, st.integers(0, 2**32))
def test_the_answer_is_that_of_the_text(settings: ListOps, seed: int):
    for task in settings.splits.values():
        tokens, targets = task.draw(3, torch.Generator().manual_seed(seed))
        for example in zip(tokens, targets, strict=True):
            text, answer = task.show(*example).split(" -> ")
            words = iter(text.split())
            counts: Counter[int] = Counter()
            assert value(words, counts) == int(answer)
            assert not list(words)
            assert set(counts) <= set(range(2, task.arguments + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[MAX 2 9 [MIN 4 7 ] 0 ]", 9),
        ("[MED 1 8 6 ]", 6),
        ("[MED 1 8 2 7 ]", 4),
        ("[SM 9 [MED 3 6 ] 8 ]", 1),
    ],
)
def test_the_reference_on_expressions_worked_by_hand(text: str, expected: int):
    assert value(iter(text.split()), Counter()) == expected


def test_operators_on_arguments_worked_by_hand():
    values = torch.tensor([8, 3, 9, 6, 0]).expand(4, 5)
    used = torch.tensor([True, True, True, True, False]).expand(4, 5)
    assert ListOps().result(torch.arange(4), values, used).tolist() == [3, 9, 7, 6]


def test_every_number_of_arguments_is_equally_likely():
    task = ListOps(depth=1, arguments=4)
    counts: Counter[int] = Counter()
    for example in zip(*task.draw(3000, torch.Generator().manual_seed(0)), strict=True):
        value(iter(task.show(*example).split()), counts)
    assert set(counts) == {2, 3, 4}
    assert all(abs(counts[k] - 1000) < 130 for k in counts)  # five standard errors


def test_length_grows_linearly_with_depth():
    assert [ListOps(depth=depth).sequence_length for depth in (1, 2, 3, 4, 5)] == [7, 19, 31, 43, 55]


@pytest.mark.parametrize("arguments", [1, 17])
def test_bad_settings_are_refused(arguments: int):
    with pytest.raises(ValidationError, match="arguments"):
        ListOps(arguments=arguments)
