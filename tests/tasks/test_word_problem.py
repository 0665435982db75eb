from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.base import IGNORE
from asura.tasks.word_problem import Group, WordProblem

settings = st.builds(WordProblem, group=st.sampled_from(get_args(Group)), length=st.integers(1, 40))
ORDERS = {"S3": 6, "S4": 24, "S5": 120, "A5": 60}


def read(task: WordProblem, tokens: torch.Tensor, targets: torch.Tensor) -> tuple[list[str], list[str]]:
    word, products = task.show(tokens, targets).split(" -> ")
    return word.split(), products.split()


def move(state: str, element: str) -> str:
    """The things in their new places: the element names, for each place, the place that its thing comes from."""
    return "".join(state[int(place) - 1] for place in element)


def cycles(element: str) -> int:
    """The number of cycles, those of one thing included."""
    left, found = {*element}, 0
    while left:
        at, found = min(left), found + 1
        while at in left:
            left.remove(at)
            at = element[int(at) - 1]
    return found


def is_odd(element: str) -> bool:
    return (len(element) - cycles(element)) % 2 == 1


@given(settings, st.integers(0, 2**32))
def test_answers_are_the_state_after_each_move(settings: WordProblem, seed: int):
    for task in settings.splits.values():
        for example in zip(*task.draw(2, torch.Generator().manual_seed(seed)), strict=True):
            word, products = read(task, *example)
            state = "12345"[: int(task.group[1])]
            assert len(word) == task.length
            for element, product in zip(word, products, strict=True):
                state = move(state, element)
                assert product == state


@pytest.mark.parametrize("group", get_args(Group))
def test_elements_are_those_of_the_group(group: Group):
    task = WordProblem(group=group, length=1)
    assert task.vocabulary == ORDERS[group] == 1 / task.chance
    tokens, targets = task.generate(200 * task.vocabulary, torch.Generator().manual_seed(0))
    found = {read(task, *example)[0][0] for example in zip(tokens, targets, strict=True)}
    things = "12345"[: int(group[1])]
    assert len(found) == task.vocabulary and all(sorted(element) == list(things) for element in found)
    assert any(map(is_odd, found)) == (group != "A5")
    assert read(task, torch.tensor([0]), torch.tensor([0])) == ([things], [things])
    share = (tokens.flatten().bincount() / len(tokens) * task.vocabulary - 1).abs().max()
    assert share < 5 * (1 / 200) ** 0.5


def test_commuting_is_not_enough():
    left, right = "213", "132"
    assert move(move("123", left), right) == "231" != move(move("123", right), left)
    assert read(WordProblem(group="S3"), torch.tensor([2, 1]), torch.tensor([2, 3])) == ([left, right], [left, "231"])


@given(settings, st.integers(0, 2**32))
def test_rules_are_products_of_the_last_elements_and_signs(task: WordProblem, seed: int):
    tokens, targets = task.draw(2, torch.Generator().manual_seed(seed))
    rules = task.shortcuts(tokens)
    windows = [1 << k for k in range(1, 10) if 1 << k < task.length]
    assert [rule for rule in rules if rule.startswith("last")] == [f"last {width} elements" for width in windows]
    for k, example in enumerate(zip(tokens, targets, strict=True)):
        word, products = read(task, *example)
        for width in windows:
            _, said = read(task, tokens[k], rules[f"last {width} elements"][k])
            for end in range(task.length):
                state = "12345"[: int(task.group[1])]
                for element in word[max(0, end + 1 - width) : end + 1]:
                    state = move(state, element)
                assert said[end] == state
        _, said = read(task, tokens[k], rules["sign alone"][k])
        assert len({*said}) <= 2 and all(
            is_odd(one) == is_odd(other) for one, other in zip(said, products, strict=True)
        )


def test_rules_score_what_they_can():
    task = WordProblem(group="S3", length=16)
    tokens, targets = task.draw(4000, torch.Generator().manual_seed(0))
    scores = {rule: (answers == targets).double().mean().item() for rule, answers in task.shortcuts(tokens).items()}
    assert scores["sign alone"] == pytest.approx(1 / 3, abs=0.02)
    for width in (2, 4, 8):  # right at the first `width` positions, by chance at the others
        assert scores[f"last {width} elements"] == pytest.approx(width / 16 + (1 - width / 16) / 6, abs=0.02)
    assert all(one < other for one, other in pairwise(scores[f"last {width} elements"] for width in (2, 4, 8)))


def test_every_position_is_asked():
    assert (WordProblem().draw(50, torch.Generator().manual_seed(0)).targets != IGNORE).all()


def test_splits():
    assert {name: task.length for name, task in WordProblem(length=5).splits.items()} == {
        "validation": 5,
        "test": 5,
        "longer": 10,
        "longest": 20,
    }


@pytest.mark.parametrize(
    ("bad", "message"), [({"group": "S6"}, "group"), ({"length": 0}, "greater than or equal to 1")]
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        WordProblem(**bad)
