"""Named tensors in safetensors files that say when they are damaged."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from asura.common.errors import UserError
from asura.common.files import DELETE, write_whole


def save_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any], keep: Path | None = None) -> None:
    """Write tensors with a note (plain data) and a checksum of both, whole or not at all. Raises OSError.

    What stood at `path` until then is renamed to `keep`, where that is given.
    """
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One key: safetensors writes several in an order that differs from call to call, and so would the file.
    metadata = {"asura": json.dumps({"note": note, "sha256": _checksum(ready, note)})}

    # Not `save_file`, which writes to a file of its own beside it, that a process which is killed leaves for ever.
    write_whole(path, lambda aside: aside.write_bytes(save(ready, metadata)), keep)


def load_tensors(path: Path, remedy: str = DELETE) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote. Raises UserError, which names the remedy, where it is not whole."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: it is no safetensors file, or cut short ({error}); {remedy}") from None
    try:
        stored = json.loads(metadata["asura"])
        whole = stored["sha256"] == _checksum(tensors, stored["note"])
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise UserError(f"{path}: its content does not have the checksum it was written with; {remedy}")
    return tensors, stored["note"]


def _checksum(tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> str:
    state = sha256(json.dumps(note, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()
