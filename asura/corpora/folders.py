"""Where data stands that studies share: packages, corpora, benchmarks."""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.corpora.tokenizer_paths import own_tokenizer


def data_folder() -> Path:
    """Where packages, corpora and benchmarks are kept: ASURA_DATA, or `data`."""
    return Path(os.environ.get("ASURA_DATA", "data"))


def manifest_checksum(folder: Path) -> str:
    """The checksum of a corpus: of its settings, tokenizer and tokens, whatever they were made from. Raises UserError.

    Manifests of earlier versions had nothing else, so it is the checksum that they had as files.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"{path}: no such file; prepare the corpus first")
    manifest = read_json(path)
    content = {key: manifest.get(key) for key in ("made_of", "tokenizer", "arrays")}
    return sha256(f"{json.dumps(content, indent=1)}\n".encode()).hexdigest()


def corpus_folder(settings: Mapping[str, Any]) -> Path:
    """Where a corpus of these settings, as they stand in JSON, is kept.

    Relative paths mean other files in each checkout, so where checkouts share the data folder, the folder that they
    count from is part of the name.
    """
    is_shared = not data_folder().resolve().is_relative_to(Path.cwd())
    paths = [*settings.get("paths", []), *filter(None, [own_tokenizer(settings)])]
    if is_shared and not all(map(os.path.isabs, paths)):
        settings = {**settings, "read_from": str(Path.cwd())}
    digest = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return data_folder() / "corpora" / f"{settings['source']}-{digest[:12]}"
