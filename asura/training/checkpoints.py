"""The two last checkpoints of a run: where the newest is damaged, training goes on from the one before it."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from asura.common.errors import UserError
from asura.planning.run_folder import RunFolder
from asura.training.tensors import load_tensors, save_tensors


class Checkpoint(NamedTuple):
    """State after a step of a run, and the record of its training until then; the run by its digest."""

    run: str
    step: int
    record: dict[str, Any]
    tensors: Mapping[str, Tensor]


def save(folder: RunFolder, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint, and keep the one before it. Raises OSError."""
    *note, tensors = checkpoint
    named = dict(zip(Checkpoint._fields, note, strict=False))
    save_tensors(folder.checkpoint, tensors, named, keep=folder.earlier_checkpoint)


def last(folder: RunFolder, run: str, quiet: bool = False) -> Checkpoint | None:
    """The newest whole checkpoint of a run; those that are damaged are removed, and named in a line unless `quiet`."""
    damaged, found = [], None
    for path in (folder.checkpoint, folder.earlier_checkpoint):
        if found is None and path.exists():
            try:
                tensors, note = load_tensors(path)
                found = Checkpoint(**note, tensors=tensors)
            except (UserError, TypeError):  # cut short, flipped, or something else that is dressed as a checkpoint
                damaged.append(path)
    if found and found.run != run:
        found = None
    if damaged and not quiet:
        what_follows = f"goes on from step {found.step}" if found else "begins anew"
        print(f"asura: {', '.join(map(str, damaged))}: damaged; training {what_follows}", file=sys.stderr, flush=True)
    for path in damaged:
        path.unlink(missing_ok=True)  # it must not take the place of the one before it
    return found


def remove(folder: RunFolder) -> None:
    """Remove both."""
    folder.checkpoint.unlink(missing_ok=True)
    folder.earlier_checkpoint.unlink(missing_ok=True)
