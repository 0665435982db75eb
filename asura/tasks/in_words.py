"""A synthetic task written in the words of a text, to test whether training on the text helps with it."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import SerializeAsAny, field_validator
from torch import Generator, Tensor

from asura.common.errors import UserError
from asura.corpora.settings import AnyCorpus
from asura.tasks.base import IGNORE, Batch, Metric, Task
from asura.tasks.registry import TASKS, task_among
from asura.tasks.text import Text


class Written(Task):
    """Another task whose symbols are words of a text's tokenizer: ` the`, ` have`, …, one token each.

    Length, splits and chance are those of the task. The vocabulary is that of the text. Drawing raises UserError if the
    corpus has not been prepared, or has fewer words than the task has symbols.
    """

    kind: str
    """Kind of the task."""
    task: SerializeAsAny[Task]
    """Settings of the task."""
    text: Text
    """The text whose words are used."""

    @field_validator("task", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: Any) -> Any:
        return task_among(TASKS, info.data.get("kind"), value, "kind")

    @property
    def metric(self) -> Metric:
        """That of the task."""
        return self.task.metric

    @property
    def solved(self) -> float | None:
        """As the task is."""
        return self.task.solved

    @property
    def reads_its_answers(self) -> bool:
        """As the task does."""
        return self.task.reads_its_answers

    @property
    def reads(self) -> AnyCorpus:
        """The corpus of the text."""
        return self.text.corpus

    @property
    def vocabulary(self) -> int:
        """That of the text."""
        return self.text.vocabulary

    @property
    def sequence_length(self) -> int:
        """That of the task."""
        return self.task.sequence_length

    @property
    def chance(self) -> float:
        """That of the task."""
        return self.task.chance

    @property
    def splits(self) -> dict[str, Self]:
        """Those of the task."""
        return {name: self.model_copy(update={"task": split}) for name, split in self.task.splits.items()}

    @property
    def sweeps(self) -> dict[str, tuple[str, ...]]:
        """Those of the task."""
        return self.task.sweeps

    def difficulty(self, setting: str) -> int:
        """That of the task."""
        return self.task.difficulty(setting)

    def at_difficulty(self, setting: str, value: int) -> Self:
        """The task at one value, in words."""
        return self.model_copy(update={"task": self.task.at_difficulty(setting, value)})

    def draw(self, count: int, generator: Generator) -> Batch:
        """What the task draws, in words."""
        words, (tokens, targets) = self._words, self.task.draw(count, generator)
        return Batch(words[tokens], torch.where(targets == IGNORE, IGNORE, words[targets.clamp(min=0)]))

    @property
    def _words(self) -> Tensor:
        """The word of each symbol of the task."""
        return _words(self.text.corpus.folder / "tokenizer.json", self.vocabulary, self.task.vocabulary)

    def clusters(self, tokens: Tensor) -> Tensor:
        """Those of the task."""
        return self.task.clusters(self._symbols(tokens))

    def _symbols(self, tokens: Tensor) -> Tensor:
        """The symbol of the task that each word stands for."""
        words = self._words
        symbols = torch.zeros(self.vocabulary, dtype=torch.int64)
        symbols[words] = torch.arange(len(words))
        return symbols[tokens]

    def shortcuts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Those of the task, in words."""
        words, answers = self._words, self.task.shortcuts(self._symbols(tokens))
        return {name: words[answer.clamp(0, len(words) - 1)] for name, answer in answers.items()}

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The words, then those asked for."""
        tokenizer = self.text.tokenizer
        return f"{tokenizer.decode(tokens.tolist())} -> {tokenizer.decode(targets[targets != IGNORE].tolist())}"


@lru_cache(maxsize=8)
def _words(path: Path, vocabulary: int, count: int) -> Tensor:
    """The first tokens, (count,), that are a space and a word of at least three letters."""
    from asura.corpora.tokenizers import load

    tokenizer = load(path, vocabulary)
    texts = (tokenizer.decode([token]) for token in range(tokenizer.get_vocab_size()))
    found = [
        token
        for token, text in enumerate(texts)
        if text[:1] == " " and len(text) > 3 and text[1:].isascii() and text[1:].isalpha()
    ]
    if len(found) < count:
        raise UserError(f"{path}: it has {len(found)} words, fewer than the task has symbols, {count}")
    return torch.tensor(found[:count])
