import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.addition import END, Addition
from asura.tasks.base import IGNORE

settings = st.builds(
    Addition,
    operands=st.lists(st.integers(2, 9), min_size=1, max_size=4, unique=True).map(tuple),
    digits=st.integers(1, 12),
    tested=st.lists(st.integers(2, 12), max_size=2, unique=True).map(tuple),
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
            assert answer == str(sum(map(int, operands)))


def test_a_layout_worked_by_hand():
    task = Addition(operands=(2, 3), digits=1)
    tokens, targets = task.draw(200, torch.Generator().manual_seed(0))
    for row, answers in zip(tokens.tolist(), targets.tolist(), strict=True):
        of_two = row[3] == 11
        question = [row[0], 10, row[2], 11] if of_two else [row[0], 10, row[2], 10, row[4], 11]
        total = row[0] + row[2] + (0 if of_two else row[4])
        digits = [int(digit) for digit in str(total)]
        assert row == (question + digits + [END] * 4)[:8]
        assert answers == ([IGNORE] * (len(question) - 1) + digits + [END] + [IGNORE] * 4)[:8]
    assert 60 < (tokens[:, 3] == 11).sum() < 140
    assert {1, 2} == set((targets != IGNORE).sum(1).sub(1).tolist())


def test_no_carry_adds_each_column_by_itself():
    task = Addition(operands=(2, 4), digits=3)
    tokens, targets = task.draw(500, torch.Generator().manual_seed(0))
    answers = task.shortcuts(tokens)["no carry"]
    right = 0
    for row, target, answer in zip(tokens, targets, answers, strict=True):
        operands, total = read(task.show(row, target))
        columns = "".join(str(sum(map(int, column)) % 10) for column in zip(*operands, strict=True))
        said = "".join("0123456789-"[min(token, 10)] for token in answer[answer != IGNORE].tolist())
        assert said == f"{int(columns)}-"
        right += int(columns) == int(total)
        assert torch.equal(answer, target) == (int(columns) == int(total))
    assert right > 10


def test_every_number_of_operands_is_equally_likely():
    task = Addition(operands=(8, 2, 4))
    tokens, targets = task.draw(6000, torch.Generator().manual_seed(0))
    found = [len(read(task.show(*example))[0]) for example in zip(tokens, targets, strict=True)]
    assert set(found) == {2, 4, 8}
    assert all(abs(found.count(k) - 2000) < 185 for k in (2, 4, 8))  # five standard errors


def test_chance_bounds_the_best_guess_of_longer_sums():
    task = Addition(operands=(3,), digits=1)
    _, targets = task.draw(20000, torch.Generator().manual_seed(0))
    start = task.operands[0] * 2 - 1
    tens, ones = targets[:, start], targets[:, start + 1]
    answers = torch.where(ones == END, tens, 10 * tens + ones)
    assert torch.bincount(answers).max() / 20000 == pytest.approx(0.075, abs=0.009)  # 75 of 1000 triples make 13
    assert task.chance == 0.1


def test_splits():
    splits = {name: task.operands for name, task in Addition().splits.items()}
    assert splits == {
        "validation": (2, 4, 8, 16, 32),
        "test": (2, 4, 8, 16, 32),
        "8_operands": (8,),
        "16_operands": (16,),
        "24_operands": (24,),
        "32_operands": (32,),
    }
    assert Addition(tested=(64,)).splits["64_operands"].sequence_length == 64 * 4 + 5  # 64 × 999 = 63936


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"operands": ()}, "at least 1 item"),
        ({"operands": (1, 2)}, "greater than or equal to 2"),
        ({"operands": (2, 2)}, "distinct"),
        ({"digits": 0}, "greater than or equal to 1"),
        ({"digits": 13}, "less than or equal to 12"),
        ({"tested": (8, 8)}, "distinct"),
        ({"tested": (1,)}, "greater than or equal to 2"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Addition(**bad)
