"""Where data stands that studies share: packages, corpora, benchmarks."""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any


def data_folder() -> Path:
    """Where packages, corpora and benchmarks are kept: ASURA_DATA, or `data`."""
    return Path(os.environ.get("ASURA_DATA", "data"))


def corpus_folder(settings: Mapping[str, Any]) -> Path:
    """Where a corpus of these settings, as they stand in JSON, is kept."""
    digest = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return data_folder() / "corpora" / f"{settings['source']}-{digest[:12]}"
