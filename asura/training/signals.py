"""Signals that ask a training to leave, and what it says when it has saved its state."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What Ctrl-C sends, and what a cluster sends before it takes a machine away."""

INTERRUPTED = "stopped; start again to go on"
"""What a person reads who has pressed Ctrl-C."""


class Stopped(Exception):
    """A signal asked training to leave, and it has saved its state."""

    def __init__(self, number: int, step: int) -> None:
        self.number = number
        if number == signal.SIGINT:
            super().__init__(f"{INTERRUPTED} (saved after step {step})")
        else:
            super().__init__(f"stopped by {signal.Signals(number).name}; saved after step {step}, to be resumed")


@contextmanager
def signals() -> Iterator[list[int]]:
    """Collect signals while inside, in place of dying of them."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda n, _: received.append(n)) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
