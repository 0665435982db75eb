"""Models downloaded from the Hugging Face hub."""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from asura.common.caches import check_hub_cache
from asura.common.errors import UserError
from asura.pretrained.folder import CARD, CODE, CONFIG, TOKENIZER, WEIGHTS


def download(name: str, **options: Any) -> Path:
    """The folder that huggingface_hub's `snapshot_download` puts a model into. Raises UserError."""
    files = [WEIGHTS, CONFIG, CARD, TOKENIZER, CODE]
    try:
        return Path(snapshot_download(name, allow_patterns=files, **options))
    except (OSError, ValueError) as error:
        check_hub_cache()
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{name}: it is no folder, and the hub does not give such a model ({reason})") from None
