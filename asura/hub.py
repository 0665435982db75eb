"""Pretrained models on the Hugging Face hub."""

from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin, snapshot_download

from asura.errors import UserError
from asura.pretrained import CARD, CONFIG, TOKENIZER, WEIGHTS, Pretrained, load, write


class HubModel(ModelHubMixin):
    """A pretrained model that can be pushed, with the card and the tokenizer that it came with.

    HubModel.from_pretrained("exported").push_to_hub("name/of-the-model")
    """

    def __init__(self, pretrained: Pretrained) -> None:
        self.pretrained = pretrained

    def _save_pretrained(self, save_directory: Path) -> None:
        write(self.pretrained, save_directory)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Self:
        return cls(load(model_id, **options))


def download(name: str, **options: Any) -> Path:
    """The folder that huggingface_hub's `snapshot_download` puts a model into. Raises UserError."""
    files = [WEIGHTS, CONFIG, CARD, TOKENIZER]
    try:
        return Path(snapshot_download(name, allow_patterns=files, **options))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{name}: it is no folder, and the hub does not give such a model ({reason})") from None
