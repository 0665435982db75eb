"""Where a run is computed, with what precision, and so that the same run gives the same bits."""

import fcntl
import os
import platform
import tempfile
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor

from asura.common.errors import UserError
from asura.models.model import Model
from asura.planning.training_settings import Training

OF_OTHERS = 0.1
"""Share of a device's memory that others may hold where a run that it does not suffice to is a result; a process holds
some by itself."""

SHAPES = 64
"""Shapes of a block that a process compiles: those of all runs that it trains, with and without gradient."""


def prepare(threads: int, compiles: bool = False) -> torch.device:
    """Find the device (ASURA_DEVICE, or the best there is), and make what is computed on it repeatable.

    `compiles` says whether torch.compile will be used, whose settings are then made deterministic too.

    Raises UserError for a device that torch does not know or that is not there.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may differ from call to call
    if compiles:
        torch.use_deterministic_algorithms(True)  # imports torch._inductor, which takes a second
        torch._dynamo.config.recompile_limit = SHAPES  # beyond it torch goes on uncompiled, with nothing but a warning
    else:
        torch.set_deterministic_debug_mode("error")  # the same flag without that import
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # no kernel here reads what it did not write
    asked = os.environ.get("ASURA_DEVICE")
    if asked is None:
        found = torch.accelerator.current_accelerator(check_available=True)
        if found and torch.accelerator.device_count() > 1 and not torch.distributed.is_initialized():
            torch.accelerator.set_device_index(_take_one(found.type, torch.accelerator.device_count()))
        return found or torch.device("cpu")
    try:
        return torch.empty(0, device=asked).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"ASURA_DEVICE: found {asked!r}; it cannot be used here ({reason})") from None


@cache
def _take_one(kind: str, count: int) -> int:
    """The first of several devices that no other run of this user has taken, until this process ends; or any."""
    for index in range(count):
        path = Path(tempfile.gettempdir(), f"asura-{os.getuid()}-{kind}-{index}")
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # it stays open, and so locked
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            return index
    return os.getpid() % count


def refuse_neighbours(device: torch.device) -> None:
    """Raise UserError where others hold so much of a device's memory that what runs out of it may do so for them."""
    if device.type == "cpu":
        return
    free, total = torch.accelerator.get_memory_info()
    others = total - free - torch.accelerator.memory_reserved()
    if others > OF_OTHERS * total:
        raise UserError(
            f"out of memory beside others, who hold {others >> 20} MiB of the device's {total >> 20}; let fewer run at "
            "once (--resources gpu=1)"
        )


def with_compiled_parts(model: Model) -> Model:
    """The model, each block of which is compiled once for all iterations, and all models of its shape here."""
    for part in model.parts():
        part.forward = torch.compile(part.forward, dynamic=False)
    return model


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device; the process does not wait for a copy to a GPU."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def describe(device: torch.device) -> str:
    """The device's name, for the record of a run."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.processor() or platform.machine()})"


def precision(training: Training, device: torch.device) -> str:
    """The precision of the forward pass, `float32` or `bfloat16`, on this device."""
    usual = "bfloat16" if device.type == "cuda" else "float32"
    return usual if training.precision == "auto" else training.precision


def autocast(training: Training, device: torch.device) -> AbstractContextManager:
    """The context of the forward pass in the precision of training."""
    if precision(training, device) == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out, of the device or of this process; some backends of torch have no error for it."""
    said = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said)
    )
