"""What the tasks of nested expressions share: how expressions are drawn and laid out."""

from collections import Counter
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.arithmetic import Arithmetic
from asura.tasks.listops import ListOps
from asura.tasks.shared.nested_expression import PAD, Nested

KINDS = pytest.mark.parametrize("kind", [ListOps, Arithmetic])
shape = {"depth": st.integers(1, 5), "per_level": st.integers(1, 5)}
settings = st.one_of(
    st.builds(Arithmetic, **shape),
    st.builds(ListOps, arguments=st.integers(2, 6), **shape),
)


def draw(task: Nested, count: int, seed: int = 0) -> list[str]:
    """The expressions, as text."""
    batch = task.draw(count, torch.Generator().manual_seed(seed))
    return [task.show(*example).split(" -> ")[0] for example in zip(*batch, strict=True)]


def operators_by_level(text: str) -> list[int]:
    counts: Counter[int] = Counter()
    level = -1
    for word in text.split():
        if word[0] in "([":
            level += 1
            counts[level] += 1
        elif word in ")]":
            level -= 1
    assert level == -1
    return [counts[level] for level in range(len(counts))]


@given(settings, st.integers(0, 2**32))
def test_levels_hold_the_operators_they_should(settings: Nested, seed: int):
    for task in settings.splits.values():
        for text in draw(task, 3, seed):
            counts = operators_by_level(text)
            assert task.shallowest <= len(counts) <= task.depth
            assert counts == [min(2**level, task.per_level) for level in range(len(counts))]


@given(settings, st.integers(0, 2**32))
def test_padding_comes_first_and_the_last_bracket_last(task: Nested, seed: int):
    tokens = task.draw(3, torch.Generator().manual_seed(seed)).tokens
    for row, text in zip(tokens.tolist(), draw(task, 3, seed), strict=True):
        words = [task.words[token] for token in row]
        padding = row.count(PAD)
        assert words == [""] * padding + text.split()
        assert words[-1] in ")]"


@KINDS
def test_the_longest_expression_has_no_padding(kind: type[Nested]):
    task = kind(depth=2)
    paddings = (task.draw(2000, torch.Generator().manual_seed(0)).tokens == PAD).sum(1)
    assert paddings.min() == 0


@KINDS
def test_every_depth_is_equally_likely(kind: type[Nested]):
    depths = [len(operators_by_level(text)) for text in draw(kind(depth=4), 4000)]
    assert all(abs(depths.count(depth) - 1000) < 137 for depth in (1, 2, 3, 4))  # five standard errors


@KINDS
def test_digits_and_operators_are_uniform(kind: type[Nested]):
    words = Counter(word for text in draw(kind(depth=3), 4000) for word in text.split())
    operators = kind.operators
    for alike in (list("0123456789"), operators):
        total, share = sum(words[word] for word in alike), 1 / len(alike)
        error = (share * (1 - share) / total) ** 0.5
        assert all(abs(words[word] / total - share) < 5 * error for word in alike)


def arguments(text: str) -> list[str]:
    """Of each argument of the outermost operator, the first word."""
    level, found = 0, []
    for word in text.split():
        level -= word == "]"
        if level == 1 and word != "]":
            found.append(word)
        level += word[0] == "["
    return found


def test_operators_stand_in_every_place():
    left = [text.split()[1] == "(" for text in draw(Arithmetic(depth=2, shallowest=2, per_level=1), 4000)]
    assert abs(sum(left) - 2000) < 158  # five standard errors, here and below
    found = [arguments(text) for text in draw(ListOps(depth=2, shallowest=2, per_level=1, arguments=4), 6000)]
    places = [[word[0] == "[" for word in words].index(True) for words in found if len(words) == 4]
    assert 1817 < len(places) < 2183
    assert all(abs(places.count(place) - len(places) / 4) < 97 for place in range(4))


@KINDS
def test_chance_agrees_with_all_expressions_counted(kind: type[Nested]):
    task = kind(depth=2, per_level=1, **({"arguments": 2} if kind is ListOps else {}))

    def apply(operator: int, *values: int) -> int:
        pair = torch.tensor([values])
        return int(task.result(torch.tensor([operator]), pair, torch.ones_like(pair) == 1))

    operators = range(len(kind.operators))
    table = {(o, a, b): apply(o, a, b) for o, a, b in product(operators, range(10), range(10))}
    shallow = Counter(table.values())
    deep: Counter[int] = Counter()
    for (outer, inner), (a, b, c) in product(product(operators, repeat=2), product(range(10), repeat=3)):
        deep[table[outer, table[inner, a, b], c]] += 1
        deep[table[outer, c, table[inner, a, b]]] += 1
    exact = max(shallow[v] / shallow.total() / 2 + deep[v] / deep.total() / 2 for v in range(10))
    assert task.chance == pytest.approx(exact, abs=5 * (exact * (1 - exact) / 2**16) ** 0.5)


@KINDS
def test_splits(kind: type[Nested]):
    splits = kind(depth=2).splits
    assert {name: (task.shallowest, task.depth) for name, task in splits.items()} == {
        "validation": (1, 2),
        "test": (1, 2),
        "deeper": (3, 5),
    }
    assert kind(depth=2, extrapolate_to=4).splits["deeper"].depth == 4


@KINDS
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"depth": 0}, "greater than or equal to 1"),
        ({"per_level": 0}, "greater than or equal to 1"),
        ({"per_level": 17}, "less than or equal to 16"),
        ({"depth": 2, "shallowest": 3}, "shallowest must be at most depth, 2, found 3"),
        ({"depth": 4, "extrapolate_to": 3}, "extrapolate_to must be at least depth, 4, found 3"),
    ],
)
def test_bad_settings_are_refused(kind: type[Nested], bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        kind(**bad)
