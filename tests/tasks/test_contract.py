"""What every task owes the rest of the package, whatever it asks."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from asura.common.errors import UserError
from asura.evaluation.accuracy import SCORED_BY
from asura.tasks import IGNORE, TASKS, Task
from asura.tasks.base import hashed
from asura.tasks.prefix_sums import PrefixSums
from tests.conftest import HERE

COUNT = 200
# Settings small enough for the best constant guess to score visibly above zero.
SMALL: dict[str, dict[str, Any]] = {
    "phop": {},
    "addition": {"operands": (2,), "digits": 1},
    "assignments": {"depth": 2, "per_layer": 2},
    "igsm": {"levels": 2, "per_level": 3, "parameters": 4},
    "prefix_sums": {"length": 5},
    "composition": {"entities": 6, "relations": 4, "out_degree": 4, "held_out": 0.3, "ratio": 1},
    "table_lookup": {"depth": 3},
    "listops": {"depth": 3},
    "arithmetic": {"depth": 3},
    "maze": {"size": 2},
    "sudoku": {},
    "digits": {},
    "reasoning_gym": {
        "options": {"min_terms": 3, "max_terms": 3, "max_digits": 1},
        "train_items": 1000,
        "test_items": 100,
    },
}
HOLD_OUT = ("composition", "digits", "reasoning_gym")
SPLITS = [
    pytest.param(task, split, id=f"{name}-{split_name}")
    for name in HERE
    for task in [TASKS[name]()]
    for split_name, split in task.splits.items()
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_a_batch_has_its_shape_and_stays_in_the_vocabulary(task: Task, split: Task):
    tokens, targets = split.draw(COUNT, generator())
    assert tokens.shape == targets.shape == (COUNT, split.sequence_length)
    assert tokens.dtype == targets.dtype == torch.int64
    assert tokens.min() >= 0 and tokens.max() < task.vocabulary
    asked = targets[targets != IGNORE]
    assert asked.numel() > 0
    assert asked.min() >= 0 and asked.max() < task.vocabulary


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_a_split_is_valid_and_shares_the_vocabulary(task: Task, split: Task):
    assert type(task).model_validate(split.model_dump()) == split
    assert split.vocabulary == task.vocabulary


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_a_batch_follows_from_the_generator_alone(task: Task, split: Task):
    torch.manual_seed(0)
    first, other = split.draw(COUNT, generator(1)), split.draw(COUNT, generator(2))
    torch.manual_seed(1)
    again = split.draw(COUNT, generator(1))
    assert torch.equal(first.tokens, again.tokens) and torch.equal(first.targets, again.targets)
    assert not torch.equal(first.tokens, other.tokens)


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_an_example_is_shown_in_one_line(task: Task, split: Task):
    tokens, targets = split.draw(2, generator())
    first, second = (split.show(*example) for example in zip(tokens, targets, strict=True))
    assert first != second
    assert first and "\n" not in first


@pytest.mark.parametrize("name", HERE)
def test_validation_and_test_are_of_the_training_distribution_unless_the_task_holds_out(name: str):
    task = TASKS[name]()
    validation, test, *others = task.splits.values()
    assert list(task.splits)[:2] == ["validation", "test"]
    assert validation != test != task != validation
    if name not in HOLD_OUT:
        assert validation.model_copy(update={"part": "test"}) == test == task.model_copy(update={"part": "test"})
    assert all(split not in (validation, test) for split in others)


@pytest.mark.parametrize("name", HERE)
def test_parts_have_no_input_in_common(name: str):
    """By construction where inputs are few; where they are many, so many that two parts hardly ever meet."""
    task = TASKS[name](**SMALL.get(name, {}))
    parts = {"training": task, "validation": task.splits["validation"], "test": task.splits["test"]}
    inputs = {
        part: {tuple(row) for row in split.draw(3000, generator(seed)).tokens.tolist()}
        for seed, (part, split) in enumerate(parts.items())
    }
    assert not inputs["training"] & inputs["validation"]
    assert not inputs["training"] & inputs["test"] and not inputs["validation"] & inputs["test"]


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_no_shortcut_solves_a_task(task: Task, split: Task):
    tokens, targets = split.draw(2000, generator())
    asked = targets != IGNORE
    found = {}
    for rule, answers in split.shortcuts(tokens).items():
        assert answers.shape == targets.shape
        right = ((answers == targets) & asked).sum(1)
        found[rule] = SCORED_BY[task.metric](right, asked.sum(1)).value
    assert {"copy", "previous token", "commonest answer"} <= set(found)
    assert 0 <= max(found.values()) < 0.9
    if split.splits["test"] == split:
        assert found["commonest answer"] > task.chance - 0.05


def test_a_part_without_inputs_is_refused():
    with pytest.raises(UserError, match="PrefixSums: too few distinct inputs to hold some out for test"):
        PrefixSums(length=1).splits["test"].draw(3, generator())


def test_a_hash_of_inputs_is_uniform_and_says_nothing_of_a_token():
    tokens = torch.randint(4, (20000, 12), generator=generator())
    place = hashed(tokens)
    assert torch.equal(place, hashed(tokens.clone())) and place.min() >= 0 and place.max() < 1
    shares = torch.histc(place, 10, 0, 1) / len(place)
    assert (shares - 0.1).abs().max() < 5 * (0.09 / len(place)) ** 0.5
    for position in (0, 11):
        of_token = torch.stack([place[tokens[:, position] == token].mean() for token in range(4)])
        assert (of_token - 0.5).abs().max() < 5 * (1 / 12 / 5000) ** 0.5


@pytest.mark.parametrize("name", HERE)
def test_chance_is_the_score_of_the_best_constant_guess(name: str):
    count = 20000
    task = TASKS[name](**SMALL.get(name, {}))
    holds_out = name in HOLD_OUT
    targets = (task.draw if holds_out else task.generate)(count, generator()).targets
    if task.metric == "accuracy":
        guesses = targets[targets != IGNORE].unique(return_counts=True)[1]
    else:
        guesses = targets.unique(dim=0, return_counts=True)[1]
    best = (guesses.max() / guesses.sum()).item()
    assert best == pytest.approx(task.chance, abs=5 * (task.chance * (1 - task.chance) / count) ** 0.5)


@pytest.mark.parametrize("name", HERE)
def test_settings_are_frozen_and_misspelt_keys_refused(name: str):
    with pytest.raises(ValidationError, match="lenght"):
        TASKS[name].model_validate({"lenght": 3})
    task = TASKS[name]()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(task, next(iter(type(task).model_fields)), 5)
