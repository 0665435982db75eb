"""Loading a pretrained model by the path of its folder, or by its name on the hub."""

from pathlib import Path
from typing import Any

import torch

from asura.models.model import Model
from asura.pretrained.folder import Pretrained, read


def from_pretrained(name: str | Path, revision: str | None = None, device: torch.device | str = "cpu") -> Model:
    """A trained model from the folder that `asura export` wrote, or the hub's model of this name and revision.

        from asura import from_pretrained
        model = from_pretrained("exported")

    Raises UserError where there is none, or it is damaged or of another kind.
    """
    return load(name, revision=revision).model.to(device)


def load(name: str | Path, **options: Any) -> Pretrained:
    """Read a folder, or the model of this name on the hub, which is given the options. Raises UserError."""
    if Path(name).is_dir():
        return read(Path(name))
    from asura.pretrained.download import download  # what is on the disk needs no huggingface_hub

    return read(download(str(name), **options))
