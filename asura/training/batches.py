"""The batches of a run, which follow from its task, seed and step: every model of a seed sees the same data."""

from typing import Protocol

import torch
from torch import Tensor

from asura.common.randomness import generator
from asura.tasks import Batch, Task
from asura.tasks.text import Text

TOKENS_DRAWN = 1 << 18
"""Tokens drawn at once: a task's cost is mostly one of calls, so many small batches are drawn together."""


class Batches(Protocol):
    """Batches by step, in any order."""

    def at(self, step: int) -> Batch:
        """Tokens and targets, both (size, length), of a step counted from 0."""


def batches(task: Task, size: int, seed: int, examples: int | None = None) -> Batches:
    """The batches of a task; with `examples`, of a set of so many."""
    if isinstance(task, Text):
        return Windows(task, size, seed)
    return Fixed(task, size, seed, examples) if examples else Drawn(task, size, seed)


def training_set(task: Task, seed: int, examples: int) -> Batch:
    """The examples of a run that is trained on so many."""
    return task.draw(examples, generator("training set", seed))


class Drawn:
    """Examples of a task; those of neighbouring steps are drawn together."""

    def __init__(self, task: Task, size: int, seed: int) -> None:
        self._task, self._size, self._seed = task, size, seed
        self._steps = max(1, TOKENS_DRAWN // (size * task.sequence_length))
        self._chunk: int | None = None
        self._drawn: Batch | None = None

    def at(self, step: int) -> Batch:
        """See `Batches`."""
        chunk, place = divmod(step, self._steps)
        if chunk != self._chunk or self._drawn is None:
            self._drawn = self._task.draw(self._steps * self._size, generator("batches", self._seed, chunk))
            self._chunk = chunk
        rows = slice(place * self._size, (place + 1) * self._size)
        return Batch(self._drawn.tokens[rows], self._drawn.targets[rows])


class Epochs:
    """Which of `count` things are in a batch: each once in an epoch, in another order in every epoch."""

    def __init__(self, name: str, count: int, size: int, seed: int) -> None:
        self._name, self._count, self._size, self._seed = name, count, size, seed
        self._epoch: int | None = None
        self._order = torch.empty(0)

    def at(self, step: int) -> Tensor:
        """Their places, (size,)."""
        places = torch.arange(step * self._size, (step + 1) * self._size)
        epochs = places // self._count
        return torch.cat([self._in(int(e), places[epochs == e] % self._count) for e in epochs.unique()])

    def _in(self, epoch: int, places: Tensor) -> Tensor:
        """What stands at these places of an epoch's order."""
        if epoch != self._epoch:
            self._order = torch.randperm(self._count, generator=generator(self._name, self._seed, epoch))
            self._epoch = epoch
        return self._order[places]


class Windows:
    """Windows of a text, in epochs."""

    def __init__(self, text: Text, size: int, seed: int) -> None:
        self._text, self._epochs = text, Epochs("windows", text.windows, size, seed)

    def at(self, step: int) -> Batch:
        """See `Batches`."""
        return self._text.at(self._epochs.at(step))


class Fixed:
    """A fixed set of examples of a task, in epochs."""

    def __init__(self, task: Task, size: int, seed: int, examples: int) -> None:
        self._set, self._epochs = training_set(task, seed, examples), Epochs("training set", examples, size, seed)

    def at(self, step: int) -> Batch:
        """See `Batches`."""
        places = self._epochs.at(step)
        return Batch(self._set.tokens[places], self._set.targets[places])
