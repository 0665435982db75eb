"""Lines that a training writes to its log, and that are read from there by whoever asks how it stands."""

import math
import re
from typing import NamedTuple

FAILED = "asura: failed: "
"""Begins the last line of the log of a run that failed."""

STOPPED = re.compile(r"^asura: .*: stopped(?: by SIG|; start again)")
"""The last line of the log of a run that a signal has stopped."""


class Progress(NamedTuple):
    """How far a training is. `loss` is the mean since the last line of metrics, and no number where it diverged."""

    step: int
    steps: int
    loss: float
    per_second: float

    @property
    def seconds_left(self) -> float:
        """Until the last step, at this speed."""
        return (self.steps - self.step) / self.per_second if self.per_second else math.inf

    def line(self) -> str:
        """As it stands in a log."""
        speed = f"{self.per_second:.3g} steps/s, {duration(self.seconds_left)} left"
        return f"asura: step {self.step} of {self.steps}, loss {self.loss:.4g}, {speed}"


_LINE = re.compile(r"asura: step (\d+) of (\d+), loss (\S+), (\S+) steps/s, .* left")


def read_progress(line: str) -> Progress | None:
    """What `Progress.line` wrote; None for any other line."""
    found = _LINE.fullmatch(line)
    if not found:
        return None
    step, steps, loss, per_second = found.groups()
    try:
        return Progress(int(step), int(steps), float(loss), float(per_second))
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """A time in words, in the unit of which there are a few: `40 seconds`, `12 minutes`, `5 hours`, `8 days`."""
    if not math.isfinite(seconds):
        return "an unknown time"
    units = (("second", 1, 100), ("minute", 60, 100), ("hour", 3600, 60), ("day", 86400, math.inf))
    name, count = next((name, round(seconds / size)) for name, size, most in units if round(seconds / size) < most)
    return f"{count:,} {name}{'' if count == 1 else 's'}"
