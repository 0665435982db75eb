"""What a split asks of a model: chance, the best rule that does not solve it, and inputs that training has too."""

from typing import NamedTuple

from torch import Tensor

from asura.common.randomness import generator
from asura.evaluation.accuracy import shortcut_scores
from asura.tasks import Task

TRAINED = 10_240
"""Examples of training with which the inputs of a split are compared."""


class SplitSummary(NamedTuple):
    """chance: None where it is that of another metric. shared: share of the inputs that training has too.

    shares: how hard the examples are otherwise, see `Task.shares`.
    """

    chance: float | None
    rule: str
    shortcut: float
    shared: float
    shares: dict[str, float]


def summary(task: Task, name: str, metric: str, examples: int) -> SplitSummary:
    """What can be said of a split before a model is trained, from the examples that models are scored on.

    Raises UserError where a task has too few inputs.
    """
    split = task.splits[name]
    batch = split.draw(examples, generator("examples", name))
    scores = shortcut_scores(split, batch, metric)
    rule = max(scores, key=lambda name: scores[name])
    trained = _rows(task.draw(TRAINED, generator("examples", "training")).tokens)
    rows = batch.tokens.tolist()
    shared = sum(row in trained for row in map(tuple, rows)) / len(rows)
    chance = split.chance if metric == task.metric else None
    return SplitSummary(chance, rule, scores[rule], shared, split.shares(batch))


def _rows(tokens: Tensor) -> set[tuple[int, ...]]:
    return set(map(tuple, tokens.tolist()))
