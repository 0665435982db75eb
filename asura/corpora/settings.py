"""Settings of a corpus: where its documents come from, and how they are split into tokens."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from asura.common.validation import Settings
from asura.corpora.folders import corpus_folder

END_OF_TEXT = "<|endoftext|>"
"""The token before every document. It is added to a tokenizer that does not have it."""

GPT2_VOCABULARY = 50_304
"""GPT-2's 50,257 tokens, rounded up to a multiple of 64 as in the author's launch file."""


class Corpus(Settings):
    """Settings that every corpus has."""

    tokenizer: str = Field("bpe", min_length=1)
    """`bpe` trains a byte-level BPE on the training documents. `gpt2` is the tokenizer of GPT-2. Anything else is the
    path of a `tokenizer.json` of Hugging Face, or of a folder with one, from the folder of the study file."""
    vocabulary: int = Field(4096, ge=257, le=2**20)
    """Number of tokens of a trained BPE. Ignored for `gpt2`, whose vocabulary is padded to 50,304 tokens. A tokenizer
    from a path has its own number, unless you give a larger one."""
    held_out: float = Field(0.02, gt=0, lt=0.5)
    """Fraction of the documents that is kept for `test`. As many are kept for `validation`. A hash of each document
    decides."""

    @property
    def tokens(self) -> int:
        """Size of the vocabulary of a model."""
        return GPT2_VOCABULARY if self.tokenizer == "gpt2" else self.vocabulary

    @property
    def folder(self) -> Path:
        """Folder of its files."""
        return corpus_folder(self.stated())


class Embedded(Corpus):
    """17 MB of English from two packages: addresses of US presidents, 1790 to 2026, and the leads of 10,033
    encyclopedia articles.
    """

    source: Literal["embedded"]
    """The corpus that comes in packages. It needs no account."""


class Hub(Corpus):
    """A text data set of the Hugging Face hub. It is streamed."""

    source: Literal["hub"]
    """A data set of the Hugging Face hub."""
    name: str
    """Name of the data set, for example `HuggingFaceFW/fineweb-edu`."""
    configuration: str | None = None
    """Configuration of the data set; null for its default."""
    revision: str = "main"
    """Branch, tag or commit of the data set. Name a commit to fix the data."""
    split: str = "train"
    """Split of the data set from which both training and held-out documents are taken."""
    column: str = "text"
    """Column of the text."""
    documents: int | None = Field(None, ge=1)
    """Use only so many documents, from the beginning; null for all."""


class Files(Corpus):
    """Local files. A `.txt` file is one document, or several between separators; a `.jsonl`, `.json`, `.parquet` or
    `.arrow` file has one document per row. `.txt`, `.jsonl` and `.json` files may be compressed (`.gz`, `.bz2`, `.xz`,
    `.zst`). Rows without text are skipped and counted.
    """

    source: Literal["files"]
    """Local files."""
    paths: list[str] = Field(min_length=1)
    """Files, folders or patterns, for example `texts/*.jsonl`, from the folder of the study file. In a folder, all
    files that can be read are; in one that `save_to_disk` of `datasets` has written, its rows."""
    column: str = "text"
    """Column of the text in files that have rows."""
    separator: str | None = Field(None, min_length=1)
    """What separates the documents in a `.txt` file, for example `"\\n\\n"`; null if each file is one document."""


AnyCorpus = Annotated[Embedded | Hub | Files, Field(discriminator="source")]
