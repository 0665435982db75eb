"""Language modelling: the next token of real text."""

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor

from asura.common.errors import UserError
from asura.common.validation import LARGEST
from asura.corpora.settings import AnyCorpus, Embedded
from asura.corpora.tokens import Tokens, read_tokens
from asura.tasks.base import Batch, Metric, Task

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Text(Task):
    """Next-token prediction of text, in windows of a corpus. An end-of-text token precedes each document.

    The score is bits per byte of the held-out documents, which does not depend on the tokenizer. Its level of chance is
    that of uniformly random bytes. The workflow prepares the corpus; until then, reading its documents raises
    UserError.

    Splits: `validation` and `test`, documents that are held out.
    """

    metric: ClassVar[Metric] = "bits_per_byte"
    reads_its_answers: ClassVar[bool] = True

    corpus: AnyCorpus = Embedded(source="embedded")
    """Source of the documents, and how they are split into tokens."""
    length: int = Field(128, ge=2, le=LARGEST)
    """Length of a window in tokens."""

    @property
    def reads(self) -> AnyCorpus:
        """The corpus."""
        return self.corpus

    @property
    def vocabulary(self) -> int:
        """Tokens of the tokenizer."""
        return self.corpus.tokens

    @property
    def sequence_length(self) -> int:
        """The length of a window."""
        return self.length

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Bits per byte alone."""
        return ("bits_per_byte",)

    @property
    def solved(self) -> None:
        """A text is never solved."""
        return None

    @property
    def chance(self) -> float:
        """Eight bits of a byte."""
        return 8.0

    @property
    def tokens(self) -> Tokens:
        """The token files of these documents, mapped into memory, checked once."""
        return _checked(self.corpus.folder, "train" if self.part == "training" else self.part)

    @property
    def tokenizer(self) -> "Tokenizer":
        """The tokenizer of the corpus."""
        from asura.corpora.tokenizers import load  # which training on other tasks need not import

        return load(self.corpus.folder / "tokenizer.json", self.vocabulary)

    @property
    def windows(self) -> int:
        """Number of windows, side by side; each takes one token more than its length, the next one's first."""
        windows = (len(self.tokens.tokens) - 1) // self.length
        if not windows:
            raise UserError(f"corpus: it has {len(self.tokens.tokens)} tokens, which is no window of {self.length}")
        return windows

    def at(self, places: Tensor) -> Batch:
        """The windows at `places` (count,), each below `windows`: tokens and targets, both (count, length)."""
        stream, length = self.tokens.tokens, self.length
        cut = np.stack([stream[k * length : (k + 1) * length + 1] for k in places.tolist()]).astype(np.int64)
        windows = torch.from_numpy(cut)
        return Batch(windows[:, :-1], windows[:, 1:])

    def draw(self, count: int, generator: Generator) -> Batch:
        """Windows drawn with replacement; training takes each once before any a second time."""
        return self.at(torch.randint(self.windows, (count,), generator=generator))

    def show(self, tokens: Tensor, targets: Tensor) -> str:
        """The text of a window."""
        return self.tokenizer.decode(tokens.tolist(), skip_special_tokens=False)


_checked = lru_cache(maxsize=8)(read_tokens)
