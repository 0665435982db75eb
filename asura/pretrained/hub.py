"""Pushing pretrained models to the Hugging Face hub."""

from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin

from asura.pretrained.folder import Pretrained, write
from asura.pretrained.loading import load


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
