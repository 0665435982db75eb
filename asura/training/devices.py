"""Where a run is computed, with what precision, and so that the same run gives the same bits."""

import os
import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from asura.errors import UserError
from asura.runs import Training


def prepare(threads: int) -> torch.device:
    """Find the device (ASURA_DEVICE, or the best there is), and make what is computed on it repeatable.

    Raises UserError for a device that torch does not know or that is not there.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may differ from call to call
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # no kernel used here reads what it has not written
    asked = os.environ.get("ASURA_DEVICE")
    if asked is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.empty(0, device=asked).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"ASURA_DEVICE: found {asked!r}; it cannot be used here ({reason})") from None


def describe(device: torch.device) -> str:
    """The device's name, for the record of a run."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.processor() or platform.machine()})"


def autocast(training: Training, device: torch.device) -> AbstractContextManager:
    """The context of the forward pass: bfloat16 where asked for, and on CUDA unless float32 is asked for."""
    if training.precision == "bfloat16" or (training.precision == "auto" and device.type == "cuda"):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out, of the device or of this process; some backends of torch have no error for it."""
    said = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said)
    )
