"""The batches of a run, which follow from its task, seed and step: every model of a seed sees the same data."""

from asura.randomness import generator
from asura.tasks import Batch, Task

TOKENS_DRAWN = 1 << 18
"""Tokens drawn at once: a task's cost is mostly one of calls, so many small batches are drawn together."""


class Batches:
    """Batches by step, in any order; those of neighbouring steps are drawn together."""

    def __init__(self, task: Task, size: int, seed: int) -> None:
        self._task, self._size, self._seed = task, size, seed
        self._steps = max(1, TOKENS_DRAWN // (size * task.sequence_length))
        self._chunk: int | None = None
        self._drawn: Batch | None = None

    def at(self, step: int) -> Batch:
        """Tokens and targets, both (size, length), of a step counted from 0."""
        chunk, place = divmod(step, self._steps)
        if chunk != self._chunk or self._drawn is None:
            self._drawn = self._task.draw(self._steps * self._size, generator("batches", self._seed, chunk))
            self._chunk = chunk
        rows = slice(place * self._size, (place + 1) * self._size)
        return Batch(self._drawn.tokens[rows], self._drawn.targets[rows])
