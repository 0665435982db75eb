"""What a corpus is: where its documents come from, and how they are cut into tokens."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from asura.corpora.folders import corpus_folder

END_OF_TEXT = "<|endoftext|>"
"""The token before every document, and the last of every tokenizer."""

GPT2_VOCABULARY = 50_304
"""GPT-2's 50,257 tokens, rounded up to a multiple of 64 as in the author's launch file."""


class Corpus(BaseModel):
    """Settings of every corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: Literal["bpe", "gpt2"] = Field("bpe", description="byte-level BPE trained on the corpus, or GPT-2's")
    vocabulary: int = Field(4096, ge=257, le=2**20, description="tokens of a trained BPE")
    held_out: float = Field(0.02, gt=0, lt=1, description="share of the documents that training never sees")

    @property
    def tokens(self) -> int:
        """Size of the vocabulary that a model is given."""
        return GPT2_VOCABULARY if self.tokenizer == "gpt2" else self.vocabulary

    @property
    def folder(self) -> Path:
        """Where its files are kept."""
        return corpus_folder(self.model_dump(mode="json"))


class Embedded(Corpus):
    """17 MB of English from packages: presidents' addresses, 1790 to 2026, and the leads of 10,033 articles."""

    source: Literal["embedded"] = "embedded"


class Hub(Corpus):
    """A text data set of the Hugging Face hub, streamed."""

    source: Literal["hub"]
    name: str
    configuration: str | None = None
    revision: str = "main"
    split: str = "train"
    column: str = "text"
    documents: int | None = Field(None, ge=1, description="the first documents only; null for all")


class Files(Corpus):
    """Local files: .txt, a document each; .jsonl and .parquet, a document a row."""

    source: Literal["files"]
    paths: list[str] = Field(min_length=1, description="files, or patterns such as texts/*.jsonl")
    column: str = "text"


AnyCorpus = Annotated[Embedded | Hub | Files, Field(discriminator="source")]
