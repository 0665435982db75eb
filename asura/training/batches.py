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


def batches(task: Task, size: int, seed: int) -> Batches:
    """The batches of a task."""
    return Windows(task, size, seed) if isinstance(task, Text) else Drawn(task, size, seed)


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


class Windows:
    """Windows of a text: each once in an epoch, in another order in every epoch."""

    def __init__(self, text: Text, size: int, seed: int) -> None:
        self._text, self._size, self._seed = text, size, seed
        self._count = text.windows
        self._epoch: int | None = None
        self._order = torch.empty(0)

    def at(self, step: int) -> Batch:
        """See `Batches`."""
        places = torch.arange(step * self._size, (step + 1) * self._size)
        epochs = places // self._count
        return self._text.at(torch.cat([self._in(int(e), places[epochs == e] % self._count) for e in epochs.unique()]))

    def _in(self, epoch: int, places: Tensor) -> Tensor:
        """The windows that stand at these places of an epoch's order."""
        if epoch != self._epoch:
            self._order = torch.randperm(self._count, generator=generator("windows", self._seed, epoch))
            self._epoch = epoch
        return self._order[places]
