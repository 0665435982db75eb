"""The cache of Hugging Face, which lies in the user's home unless a variable moves it."""

import os
from pathlib import Path

from asura.common.errors import UserError


def check_hub_cache() -> None:
    """Raise UserError where the cache cannot be written, as what is then reported names neither it nor the remedy."""
    from huggingface_hub.constants import HF_HOME

    cache = Path(HF_HOME)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        can_be_written = False
    else:
        can_be_written = os.access(cache, os.W_OK)
    if not can_be_written:
        raise UserError(
            f"{cache}: Hugging Face cannot write its cache there; set HF_HOME to a folder that it can write"
        )
