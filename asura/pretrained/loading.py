"""Loading a pretrained model by the path of its folder, or by its name on the hub."""

from pathlib import Path
from typing import Any

import torch

from asura.models.model import Model
from asura.pretrained.folder import Pretrained, read


def from_pretrained(
    name: str | Path, revision: str | None = None, device: torch.device | str = "cpu", trust_code: bool = False
) -> Model:
    """A trained model from the folder that `asura export` wrote, or the hub's model of this name and revision.

    trust_code: run the code that a model of another architecture than this package's carries. Read it before.

        from asura import from_pretrained
        model = from_pretrained("exported")

    Raises UserError where there is none, it is damaged or of another kind, or carries code without `trust_code`.
    """
    return load(name, trust_code, revision=revision).model.to(device)


def load(name: str | Path, trust_code: bool = False, **options: Any) -> Pretrained:
    """Read a folder, or the model of this name on the hub, which is given the options. Raises UserError."""
    if Path(name).is_dir():
        return read(Path(name), trust_code)
    from asura.pretrained.download import download  # what is on the disk needs no huggingface_hub

    return read(download(str(name), **options), trust_code)
