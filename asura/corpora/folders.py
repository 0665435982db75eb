"""Where data stands that studies share: packages, corpora, benchmarks."""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import checksum


def data_folder() -> Path:
    """Where packages, corpora and benchmarks are kept: ASURA_DATA, or `data`."""
    return Path(os.environ.get("ASURA_DATA", "data"))


def manifest_checksum(folder: Path) -> str:
    """The checksum of a corpus: of its manifest, which holds those of all its files. Raises UserError."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise UserError(f"{manifest}: no such file; prepare the corpus first")
    return checksum(manifest)


def corpus_folder(settings: Mapping[str, Any]) -> Path:
    """Where a corpus of these settings, as they stand in JSON, is kept."""
    digest = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return data_folder() / "corpora" / f"{settings['source']}-{digest[:12]}"
