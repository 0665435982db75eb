"""How a corpus names its tokenizer: by a name that is known, or by the path of a file or a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOKENIZERS = ("bpe", "gpt2")
"""Tokenizers that have a name; any other is given by its path."""


def own_tokenizer(settings: Mapping[str, Any]) -> str | None:
    """The path of the tokenizer that a corpus, its settings as they stand in JSON, names; None for one with a name."""
    named = settings.get("tokenizer", "bpe")
    return named if isinstance(named, str) and named not in TOKENIZERS else None


def tokenizer_file(path: str) -> Path:
    """The file of a tokenizer, where a path is that of the file or of its folder."""
    return Path(path, "tokenizer.json") if Path(path).is_dir() else Path(path)
