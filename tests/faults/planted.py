"""A training that is killed at a chosen moment: before, within or after each call that changes a file."""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from asura.planning.runs import Run
from asura.training import loop
from asura.training.loop import train


def moments(run: Run, folder: Path, log: Path) -> list[str]:
    """Train in a process of its own; the names of all moments, such as "rename weights.safetensors", in order."""
    with log.open("w", buffering=1) as file:
        assert _apart(run, folder, lambda name: print(name, file=file)) == 0
    return log.read_text().splitlines()


def kill_at(moment: int, run: Run, folder: Path) -> None:
    """Train in a process of its own until it has come to a moment, counted from 0."""
    passed = -1

    def count(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WTERMSIG(_apart(run, folder, count)) == signal.SIGKILL


def _apart(run: Run, folder: Path, act: Callable[[str], None]) -> int:
    """Fork, since importing torch takes seconds; returns the status that the process ends with."""
    if pid := os.fork():
        return os.waitpid(pid, 0)[1]
    try:
        _plant(folder, act)
        train(run, folder)
        os._exit(0)
    except BaseException as error:  # the test's own process must not go on twice
        os.write(2, repr(error).encode())
        os._exit(1)


def _plant(folder: Path, act: Callable[[str], None]) -> None:
    """Call `act` at each moment, in this process until it ends."""
    sync, opened = os.fsync, ""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal opened
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            opened = tell("open", arguments[0])
        elif event == "os.rename":
            tell("rename", arguments[1])
        elif event == "os.remove":
            tell("remove", arguments[0])

    def tell(what: str, path: Any) -> str:
        path = Path(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else Path()
        if path.parent != folder:
            return opened
        name = ".".join(path.name.split(".")[1:-2]) if path.name.startswith(".") else path.name  # as `whole` names it
        act(f"{what} {name}")
        return name

    def fsync(file: int) -> None:
        act(f"sync {opened}")
        sync(file)

    def in_halves(file: BinaryIO | io.FileIO, content: bytes, name: str) -> None:
        file.write(content[: len(content) // 2])
        act(f"write {name}")
        file.write(content[len(content) // 2 :])

    def write_bytes(path: Path, content: bytes) -> None:
        with path.open("wb", buffering=0) as file:
            in_halves(file, content, opened)

    Path.write_bytes = write_bytes  # type: ignore[assignment, method-assign]
    Path.write_text = lambda path, text, **_: write_bytes(path, text.encode())  # type: ignore[assignment, method-assign]
    loop._append = lambda log, line: in_halves(log, line, "a line of metrics.jsonl")
    os.fsync = fsync  # type: ignore[assignment]
    sys.addaudithook(audit)
