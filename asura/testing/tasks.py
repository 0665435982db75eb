"""What every task owes the rest of the package."""

import pytest
import torch
from pydantic import ValidationError
from torch import Generator

from asura.evaluation.accuracy import SCORED_BY
from asura.tasks import IGNORE, Batch, Task

COUNT = 200


class TaskContract:
    """Tests of one task. A class that derives from it says of which settings."""

    task: Task
    """The task, as in training."""
    small: Task | None = None
    """The same so small that the best constant guess scores visibly above zero; by default `task`."""
    holds_out: bool = False
    """Whether a split holds out more than inputs, so that it has another distribution than training."""

    def answers(self, tokens: list[int]) -> list[int] | None:
        """The answers to one input, IGNORE where nothing is asked, worked out otherwise than by the task.

        Override it: it is compared with what the task draws.
        """
        return None

    def test_a_batch_has_its_shape_and_stays_in_the_vocabulary(self) -> None:
        """Tokens and targets of every split, which are all of one vocabulary."""
        for name, split in self.task.splits.items():
            tokens, targets = split.draw(COUNT, _generator())
            assert tokens.shape == targets.shape == (COUNT, split.sequence_length), name
            assert tokens.dtype == targets.dtype == torch.int64, name
            assert tokens.min() >= 0 and tokens.max() < self.task.vocabulary, name
            asked = targets[targets != IGNORE]
            assert asked.numel() > 0, name
            assert asked.min() >= 0 and asked.max() < self.task.vocabulary, name

    def test_answers_are_those_of_an_independent_oracle(self) -> None:
        """See `answers`."""
        compared = 0
        for name, split in self.task.splits.items():
            for tokens, targets in zip(*_lists(split.draw(COUNT, _generator(3))), strict=True):
                expected = self.answers(tokens)
                assert expected is None or expected == targets, f"{name}: {tokens}"
                compared += expected is not None
        if not compared:
            pytest.skip("nothing was compared: override `answers`")

    def test_a_split_is_valid_and_shares_the_vocabulary(self) -> None:
        """Its settings could stand in a study."""
        for split in self.task.splits.values():
            assert type(self.task).model_validate(split.model_dump()) == split
            assert split.vocabulary == self.task.vocabulary

    def test_a_batch_follows_from_the_generator_alone(self) -> None:
        """The same seed draws the same examples, and another seed others."""
        for name, split in self.task.splits.items():
            torch.manual_seed(0)
            first, other = split.draw(COUNT, _generator(1)), split.draw(COUNT, _generator(2))
            torch.manual_seed(1)
            again = split.draw(COUNT, _generator(1))
            assert torch.equal(first.tokens, again.tokens) and torch.equal(first.targets, again.targets), name
            assert not torch.equal(first.tokens, other.tokens), name

    def test_an_example_is_shown_in_one_line(self) -> None:
        """As `asura sample` prints it."""
        for split in self.task.splits.values():
            tokens, targets = split.draw(2, _generator())
            first, second = (split.show(*example) for example in zip(tokens, targets, strict=True))
            assert first != second
            assert first and "\n" not in first

    def test_validation_and_test_are_of_the_training_distribution_unless_the_task_holds_out(self) -> None:
        """They come first, and every other split differs from them."""
        validation, test, *others = self.task.splits.values()
        assert list(self.task.splits)[:2] == ["validation", "test"]
        assert validation != test != self.task != validation
        if not self.holds_out:
            trained = self.task.model_copy(update={"part": "test"})
            assert validation.model_copy(update={"part": "test"}) == test == trained
        assert all(split not in (validation, test) for split in others)

    def test_parts_have_no_input_in_common(self) -> None:
        """By construction where inputs are few; where they are many, so many that two parts hardly ever meet."""
        task = self.small or self.task
        parts = {"training": task, "validation": task.splits["validation"], "test": task.splits["test"]}
        inputs = {
            part: {tuple(row) for row in split.draw(3000, _generator(seed)).tokens.tolist()}
            for seed, (part, split) in enumerate(parts.items())
        }
        assert not inputs["training"] & inputs["validation"]
        assert not inputs["training"] & inputs["test"] and not inputs["validation"] & inputs["test"]

    def test_no_shortcut_solves_it(self) -> None:
        """Nor does the best constant guess; add rules of the task's own to `shortcuts`."""
        for name, split in self.task.splits.items():
            tokens, targets = split.draw(2000, _generator())
            asked = targets != IGNORE
            found = {}
            for rule, answers in split.shortcuts(tokens).items():
                assert answers.shape == targets.shape, rule
                right = ((answers == targets) & asked).sum(1)
                found[rule] = SCORED_BY[self.task.metric](right, asked.sum(1)).value
            assert {"copy", "previous token", "commonest answer"} <= set(found)
            assert 0 <= max(found.values()) < 0.9, name
            if split.splits["test"] == split:
                assert found["commonest answer"] > self.task.chance - 0.05

    def test_chance_is_the_score_of_the_best_constant_guess(self) -> None:
        """Within five standard errors."""
        count, task = 20000, self.small or self.task
        targets = (task.draw if self.holds_out else task.generate)(count, _generator()).targets
        if task.metric == "accuracy":
            guesses = targets[targets != IGNORE].unique(return_counts=True)[1]
        else:
            guesses = targets.unique(dim=0, return_counts=True)[1]
        best = (guesses.max() / guesses.sum()).item()
        assert best == pytest.approx(task.chance, abs=5 * (task.chance * (1 - task.chance) / count) ** 0.5)

    def test_settings_are_frozen_and_misspelt_keys_refused(self) -> None:
        """As a study expects of them."""
        with pytest.raises(ValidationError, match="lenght"):
            type(self.task).model_validate({"lenght": 3})
        with pytest.raises(ValidationError, match="frozen"):
            setattr(self.task, next(iter(type(self.task).model_fields)), 5)


def _generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def _lists(batch: Batch) -> tuple[list[list[int]], list[list[int]]]:
    return batch.tokens.tolist(), batch.targets.tolist()
