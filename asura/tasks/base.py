"""What every task has: settings, a seeded sampler, and a way to print an example."""

from typing import Literal, NamedTuple, Self

from torch import Generator, Tensor

from asura.common.validation import Settings
from asura.corpora.settings import Corpus

IGNORE = -100
"""The target where nothing is asked (the index that torch's cross-entropy ignores)."""

Metric = Literal["accuracy", "exact_match", "bits_per_byte"]


class Batch(NamedTuple):
    """Examples drawn from a task.

    tokens: (count, length) int64, the input.
    targets: (count, length) int64, the answer expected at each position, IGNORE where nothing is asked.
    """

    tokens: Tensor
    targets: Tensor


class Task(Settings):
    """Settings of a task. A subclass is one task, in one file."""

    @property
    def metric(self) -> Metric:
        """The score that ranks models.

        `accuracy` is the fraction of correct answers over all asked positions, `exact_match` the fraction of examples
        whose answers are all correct. `bits_per_byte`, where lower is better, measures how well a text is predicted.
        """
        return "accuracy"

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
    def splits(self) -> dict[str, Self]:
        """The task at each evaluation split.

        `test` is the training distribution, from which some tasks hold out examples. Each other split differs from it
        in one respect.
        """
        raise NotImplementedError

    def draw(self, count: int, generator: Generator) -> Batch:
        """Draw `count` examples; the same generator state gives the same examples."""
        raise NotImplementedError

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """One example, two (length,) tensors, as a person would read it."""
        raise NotImplementedError
