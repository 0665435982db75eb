import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.addition import PAD, Addition
from asura.tasks.base import IGNORE

settings = st.builds(
    Addition,
    operands=st.lists(st.integers(2, 9), min_size=1, max_size=4, unique=True).map(tuple),
    digits=st.integers(1, 12),
)


def read(text: str) -> tuple[list[str], str]:
    question, answer = text.split(" = ")
    return question.split(" + "), answer


@given(settings, st.integers(0, 2**32))
def test_the_sum_is_that_of_the_text(settings: Addition, seed: int):
    for task in settings.splits.values():
        tokens, targets = task.draw(3, torch.Generator().manual_seed(seed))
        for example in zip(tokens, targets, strict=True):
            operands, answer = read(task.show(*example))
            assert len(operands) in task.operands
            assert {len(operand) for operand in operands} == {task.digits}
            assert int(answer) == sum(map(int, operands))
            assert len(answer) == settings.sum_digits


def test_a_layout_worked_by_hand():
    task = Addition(operands=(2, 3), digits=1)
    tokens, targets = task.draw(200, torch.Generator().manual_seed(0))
    for row, answers in zip(tokens.tolist(), targets.tolist(), strict=True):
        if row[3] == 11:  # a + b = s s, then two tokens of padding of which the last is not an input
            tens, ones = divmod(row[0] + row[2], 10)
            assert row == [row[0], 10, row[2], 11, tens, ones, PAD]
            assert answers == [IGNORE, IGNORE, IGNORE, tens, ones, IGNORE, IGNORE]
        else:  # a + b + c = s s, the last digit being a target only
            tens, ones = divmod(row[0] + row[2] + row[4], 10)
            assert row == [row[0], 10, row[2], 10, row[4], 11, tens]
            assert answers == [IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, tens, ones]
    assert 60 < (tokens[:, 3] == 11).sum() < 140


def test_every_number_of_operands_is_equally_likely():
    task = Addition(operands=(8, 2, 4))
    tokens, targets = task.draw(6000, torch.Generator().manual_seed(0))
    found = [len(read(task.show(*example))[0]) for example in zip(tokens, targets, strict=True)]
    assert set(found) == {2, 4, 8}
    assert all(abs(found.count(k) - 2000) < 185 for k in (2, 4, 8))  # five standard errors


def test_chance_bounds_the_best_guess_of_longer_sums():
    task = Addition(operands=(3,), digits=1)
    _, targets = task.draw(20000, torch.Generator().manual_seed(0))
    answers = 10 * targets[:, -2] + targets[:, -1]
    assert torch.bincount(answers).max() / 20000 == pytest.approx(0.075, abs=0.009)  # 75 of 1000 triples make 13
    assert task.chance == 0.1


def test_splits():
    splits = Addition().splits
    assert {name: task.operands for name, task in splits.items()} == {
        "validation": (2, 4, 8),
        "test": (2, 4, 8),
        "most_operands": (8,),
        "more_operands": (16,),
    }
    assert {task.sum_digits for task in splits.values()} == {5}  # 16 × 999 = 15984
    assert Addition(extrapolate_to=10).splits["more_operands"].operands == (10,)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"operands": ()}, "at least 1 item"),
        ({"operands": (1, 2)}, "greater than or equal to 2"),
        ({"operands": (2, 2)}, "distinct"),
        ({"digits": 0}, "greater than or equal to 1"),
        ({"digits": 13}, "less than or equal to 12"),
        (
            {"operands": (2, 5), "extrapolate_to": 4},
            "extrapolate_to must be at least the largest of operands, 5",
        ),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Addition(**bad)
