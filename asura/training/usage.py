"""What a process has used since a moment: time, CPU time and memory, as the operating system counts them."""

import resource
import sys
import time
from typing import Any

import torch

from asura.training.processes import Alone

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which `getrusage` gives the peak of memory."""
MIB = 2**20


class Meter:
    """Counts from its making on; the peaks of memory are those of the whole process."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._begun, self._cpu_begun = device, time.monotonic(), _cpu_seconds()

    def seconds(self) -> float:
        """Time since then."""
        return time.monotonic() - self._begun

    def used(self, processes: Alone) -> dict[str, Any]:
        """For a record: CPU seconds of all processes, and the memory in MiB of the one that took the most.

        The memory of a device is what torch reserved of it, and null where torch does not count it.
        """
        cpu = torch.tensor(_cpu_seconds() - self._cpu_begun, dtype=torch.float64)
        device = _device_peak(self._device)
        rss, of_device = processes.largest(_rss_peak(), -1 if device is None else device)
        return {
            "cpu_seconds": processes.total(cpu)[0].item(),
            "job_rss_mb": rss / MIB,
            "job_device_mb": None if of_device < 0 else of_device / MIB,
        }


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def _rss_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def _device_peak(device: torch.device) -> int | None:
    """Bytes; Apple's GPUs have no such count."""
    if device.type in ("cpu", "mps"):
        return None
    return int(torch.accelerator.max_memory_reserved(device))
