"""What every task has: settings, a seeded sampler, and a way to print an example."""

import math
from typing import Literal, NamedTuple, Self

import torch
from pydantic import Field
from torch import Generator, Tensor

from asura.common import randomness
from asura.common.errors import UserError
from asura.common.validation import Settings
from asura.corpora.settings import Corpus

IGNORE = -100
"""The target where nothing is asked (the index that torch's cross-entropy ignores)."""

Metric = Literal["accuracy", "exact_match", "bits_per_byte"]
Part = Literal["training", "validation", "test"]

SHARES: dict[Part, float] = {"training": 0.75, "validation": 0.125, "test": 0.125}
"""Of the inputs of a task that has few of them."""

MANY = 40
"""Bits of an input from which on a million examples of training have hardly any of 2,560 of another part."""

TRIES = 100
"""How many times more inputs are drawn for a part that has few."""


class Batch(NamedTuple):
    """Examples drawn from a task.

    tokens: (count, length) int64, the input.
    targets: (count, length) int64, the answer expected at each position, IGNORE where nothing is asked.
    """

    tokens: Tensor
    targets: Tensor


class Task(Settings):
    """Settings of a task. A subclass is one task, in one file."""

    part: Part = Field("training", repr=False)
    """Which inputs are drawn. The splits set this; a study leaves the default."""

    @property
    def metric(self) -> Metric:
        """The score that ranks models.

        `accuracy` is the fraction of correct answers over all asked positions, `exact_match` the fraction of examples
        whose answers are all correct. `bits_per_byte`, where lower is better, measures how well a text is predicted.
        """
        return "accuracy"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The scores that a study may rank models by."""
        return ("accuracy", "exact_match")

    @property
    def solved(self) -> float | None:
        """The score, in `metric`, from which on a run has solved the task; None where there is no such score."""
        return 0.95

    @property
    def reads_its_answers(self) -> bool:
        """Whether the input contains earlier answers (next-token prediction), so that the model must be causal."""
        return False

    @property
    def reads(self) -> Corpus | None:
        """The corpus that the task reads; None for a task that is generated."""
        return None

    @property
    def vocabulary(self) -> int:
        """Number of distinct tokens, the same for every split."""
        raise NotImplementedError

    @property
    def sequence_length(self) -> int:
        """Number of positions of every example."""
        raise NotImplementedError

    @property
    def chance(self) -> float:
        """The score, in `metric`, of the best guess that does not read the input."""
        raise NotImplementedError

    @property
    def input_bits(self) -> float:
        """The logarithm, to base 2, of about how many distinct inputs there are."""
        return math.inf

    @property
    def harder_splits(self) -> dict[str, Self]:
        """The task with one respect changed, by the name of the split."""
        return {}

    @property
    def splits(self) -> dict[str, Self]:
        """The task at each evaluation split.

        `validation` and `test` are of the training distribution, or hold out some of its examples. Every choice is made
        on `validation`. Each other split differs from `test` in one respect.
        """
        splits = {"test": self, **self.harder_splits}
        held_out = {name: split.model_copy(update={"part": "test"}) for name, split in splits.items()}
        return {"validation": self.model_copy(update={"part": "validation"}), **held_out}

    @property
    def sweeps(self) -> dict[str, tuple[str, ...]]:
        """Settings that say how hard an example is, where its input says so too, each with the settings it stands for.

        Of these, all take the value at which a trained model is evaluated. They must not change the vocabulary.
        """
        return {}

    def difficulty(self, setting: str) -> int:
        """The value of a setting in training."""
        found: int = getattr(self, setting)
        return found

    def at_difficulty(self, setting: str, value: int) -> Self:
        """The task at one value of a setting in `sweeps`, on inputs that are held out, if any of them are."""
        task = self.model_copy(update={**dict.fromkeys(self.sweeps[setting], value), "part": "test"})
        inputs = task.generate(64, randomness.generator("difficulty")).tokens
        return task.model_copy(update={"part": "training"}) if task.is_always_trained(inputs).all() else task

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw `count` examples; the same generator state gives the same examples.

        A task may have a split that lists few inputs, each once, and then gives fewer examples.

        Where there are few distinct inputs, a hash of the input decides whether it is one of training, validation or
        test. Where there are many, the parts are drawn alike, and hardly ever meet. Raises UserError where a part has
        no inputs.
        """
        if self.input_bits >= MANY:
            return self.generate(count, generator)
        found: list[Batch] = []
        missing = count
        for _ in range(TRIES):
            batch = self.generate(max(64, 2 * math.ceil(missing / SHARES[self.part])), generator)
            mine = self._is_of_part(batch.tokens).nonzero()[:missing, 0]
            found.append(Batch(*(part[mine] for part in batch)))
            missing -= len(mine)
            if not missing:
                return Batch(*map(torch.cat, zip(*found, strict=True)))
        raise UserError(f"{type(self).__name__}: too few distinct inputs to hold some out for {self.part}")

    def generate(self, count: int, generator: Generator) -> Batch:
        """Generate `count` examples, of any part."""
        raise NotImplementedError

    def is_always_trained(self, tokens: Tensor) -> Tensor:
        """Which inputs, (count, length), are never held out, since nothing else teaches what they say: (count,)."""
        return torch.zeros(len(tokens), dtype=torch.bool)

    def _is_of_part(self, tokens: Tensor) -> Tensor:
        trained = self.is_always_trained(tokens)
        bounds = {"test": (0, SHARES["test"]), "validation": (SHARES["test"], 1 - SHARES["training"])}
        place = hashed(tokens)
        low, high = bounds.get(self.part, (1 - SHARES["training"], 1))
        chosen = (low <= place) & (place < high)
        return chosen | trained if self.part == "training" else chosen & ~trained

    @property
    def steps(self) -> int:
        """Number of steps to the answer whose results `answers` gives; 0 for a task that does not say."""
        return 0

    def answers(self, tokens: Tensor, steps: int | None = None) -> Tensor:
        """What is right after the first `steps` steps, by default after all, at each position of inputs.

        Both are (count, length), IGNORE where nothing is asked.
        """
        raise NotImplementedError

    def clusters(self, tokens: Tensor) -> Tensor:
        """Numbers of the examples with these inputs, (count, length): those that are right or wrong together share one.

        Standard errors are over clusters. By default each example is one by itself.
        """
        return torch.arange(len(tokens))

    def shares(self, batch: Batch) -> dict[str, float]:
        """Shares that say how hard examples are, by name. `asura plan` prints them."""
        return {}

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Answers of rules that score without solving the task, by the name of the rule.

        tokens: inputs, (count, length). The answers are of the same shape; where nothing is asked they do not matter.
        """
        answers = {"copy": tokens, "previous token": tokens.roll(1, 1)}
        return answers | {"commonest answer": self._commonest_answers().expand_as(tokens)}

    def _commonest_answers(self) -> Tensor:
        """The commonest answer at each position, (length,), among 2^12 examples drawn once."""
        targets = self.draw(1 << 12, randomness.generator("shortcuts")).targets
        counts = torch.zeros(targets.shape[1], self.vocabulary + 1, dtype=torch.int64)
        asked = torch.where(targets == IGNORE, self.vocabulary, targets)
        counts.scatter_add_(1, asked.T, torch.ones_like(asked.T))
        return counts[:, :-1].argmax(1)

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """One example, two (length,) tensors, as a person would read it."""
        raise NotImplementedError


def hashed(tokens: Tensor) -> Tensor:
    """A number in [0, 1) for each row of tokens, (count, length): the same for the same row, else as if at random."""
    source = randomness.generator("parts", tokens.shape[1])
    factors = torch.randint(-(2**62), 2**62, (tokens.shape[1],), generator=source) * 2 + 1
    mixed = ((tokens + 1) * factors).sum(1)
    for factor in (-49064778989728563, -4265267296055464877):  # of splitmix64 (Steele et al., 2014)
        mixed = (mixed ^ (mixed >> 31)) * factor
    return (mixed ^ (mixed >> 31)).remainder(1 << 30) / (1 << 30)
