"""How far a training is, for whoever looks: a bar on a terminal, and else lines for a log."""

import sys
import time

from tqdm import tqdm

from asura.common.log_lines import Progress

SECONDS, FRACTION = 5.0, 0.01
"""Least time between two lines of a log: so many seconds, and this fraction of the time so far, so that the log of a
long training stays short."""


class Reporter:
    """Shows the steps of a training as they are taken; `is_shown` is false of all processes of a run but one."""

    def __init__(self, label: str, step: int, steps: int, is_shown: bool) -> None:
        hidden = None if is_shown else True  # None: where stderr is no terminal
        self._bar = tqdm(total=steps, initial=step, desc=label, unit="step", disable=hidden)
        self._writes = is_shown and self._bar.disable
        self._steps, self._step = steps, step
        self._begun = self._told = time.monotonic()

    def advance(self) -> None:
        """A step has been taken."""
        self._bar.update()

    def measured(self, step: int, loss: float) -> None:
        """Metrics are known; this is the place to say so, since the device has been waited for."""
        self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        now = time.monotonic()
        if self._writes and now - self._told >= max(SECONDS, FRACTION * (now - self._begun)):
            speed = (step - self._step) / (now - self._told)
            print(Progress(step, self._steps, loss, speed).line(), file=sys.stderr, flush=True)
            self._step, self._told = step, now

    def close(self) -> None:
        """Training has ended, or stopped."""
        self._bar.close()
