"""What every task owes the rest of the package, whatever it asks."""

from typing import Any

import pytest
import torch

from asura.common.errors import UserError
from asura.tasks import TASKS
from asura.tasks.base import hashed
from asura.tasks.prefix_sums import PrefixSums
from asura.testing import TaskContract
from tests.conftest import HERE

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


class TestTasks(TaskContract):
    @pytest.fixture(autouse=True, params=HERE)
    def _each(self, request: pytest.FixtureRequest) -> None:
        kind = TASKS[request.param]
        self.task, self.small = kind(), kind(**SMALL.get(request.param, {}))
        self.holds_out = request.param in HOLD_OUT


def test_a_contract_without_an_oracle_is_skipped_and_not_passed():
    contract = TaskContract()
    contract.task = PrefixSums(length=5)
    with pytest.raises(pytest.skip.Exception, match="nothing was compared: override `answers`"):
        contract.test_answers_are_those_of_an_independent_oracle()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
