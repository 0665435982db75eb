import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.assignments import Assignments

settings = st.builds(
    Assignments, modulus=st.sampled_from([3, 5, 7, 11]), depth=st.integers(1, 5), per_layer=st.integers(1, 4)
)


def read(text: str) -> tuple[dict[str, tuple[str, str, str]], str, int]:
    """The definitions (variable -> left, operator, right), the variable asked for, and the answer."""
    *statements, question = text.split(" . ")
    definitions = {}
    for statement in statements:
        variable, assign, left, operator, right = statement.split(" ")
        assert assign == ":=" and operator in "+-" and variable not in definitions
        definitions[variable] = left, operator, right
    asked, mark, answer = question.split(" ")
    assert mark == "?"
    return definitions, asked, int(answer)


def value(definitions: dict, term: str) -> int:
    if term.isdigit():
        return int(term)
    left, operator, right = definitions[term]
    return value(definitions, left) + (1 if operator == "+" else -1) * value(definitions, right)


def depth(definitions: dict, term: str) -> int:
    left, _, right = definitions[term]
    return 0 if left.isdigit() else 1 + max(depth(definitions, left), depth(definitions, right))


@given(settings, st.integers(0, 2**32))
def test_the_answer_is_that_of_the_text(settings: Assignments, seed: int):
    for task in settings.splits.values():
        tokens, targets = task.draw(2, torch.Generator().manual_seed(seed))
        for example in zip(tokens, targets, strict=True):
            definitions, asked, answer = read(task.show(*example))
            assert answer == value(definitions, asked) % task.modulus
            assert depth(definitions, asked) == task.depth
            layers = [depth(definitions, variable) for variable in definitions]
            assert sorted(layers) == sorted(list(range(task.depth + 1)) * task.per_layer)
            for left, _, right in definitions.values():
                assert left.isdigit() == right.isdigit()


@pytest.mark.parametrize(
    "task", [Assignments(), Assignments(depth=1, per_layer=1), Assignments(modulus=3, depth=2, per_layer=2)]
)
def test_answers_are_uniform(task: Assignments):
    count = 20000
    answers = task.generate(count, torch.Generator().manual_seed(0)).targets[:, -1]
    frequencies = torch.bincount(answers, minlength=task.modulus) / count
    error = (task.chance * (1 - task.chance) / count) ** 0.5
    assert (frequencies - task.chance).abs().max() < 5 * error


def test_statements_names_and_operators_are_shuffled():
    task = Assignments()
    tokens, _ = task.draw(2000, torch.Generator().manual_seed(0))
    assert tokens[:, 0].unique().numel() == task.names  # any name, including those only `deeper` needs
    assert tokens[:, -2].unique().numel() == task.names
    first_is_leaf = (tokens[:, 2] < task.modulus).float().mean()
    assert first_is_leaf == pytest.approx(1 / (task.depth + 1), abs=0.05)
    operators = tokens[:, 3:-2:6]
    assert operators.unique().numel() == 2
    assert 0.4 < (operators == operators.min()).float().mean() < 0.65


def test_splits():
    splits = Assignments(depth=2).splits
    assert {name: task.depth for name, task in splits.items()} == {"validation": 2, "test": 2, "deeper": 4}
    assert Assignments(depth=2, extrapolate_to=7).splits["deeper"].depth == 7


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"modulus": 2}, "greater than or equal to 3"),
        ({"modulus": 4}, "odd prime"),
        ({"modulus": 9}, "odd prime"),
        ({"depth": 0}, "depth"),
        ({"per_layer": 0}, "per_layer"),
        ({"depth": 4, "extrapolate_to": 3}, "extrapolate_to must be at least depth, 4"),
    ],
)
def test_bad_settings_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Assignments(**bad)
