"""Files that are whole or not there: written aside, then renamed; and read with one line for what is wrong."""

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError

SEAL = "sha256"
"""Key of the checksum that a sealed object holds of all else in it."""


@contextmanager
def whole(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """A path aside to write to, which becomes `path` once it is on the disk, and nothing where that fails.

    What stood at `path` until then is renamed to `keep`, where that is given. An OSError names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_aside(path.name)}{os.getpid()}")
    aside.unlink(missing_ok=True)  # of a process that was killed and had this number; it may be a name of another file
    try:
        with naming(path, aside):
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            if keep:
                with suppress(FileNotFoundError):
                    path.replace(keep)
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], Any], keep: Path | None = None) -> None:
    """Call `write` on a path aside, as `whole` gives it. Raises OSError."""
    with whole(path, keep) as aside:
        write(aside)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine were writing in a folder when they were killed."""
    for aside in folder.glob(f"{_aside('*')}*"):
        pid = aside.suffix.removeprefix(".")
        if pid.isdecimal() and not _is_running(int(pid)):
            aside.unlink(missing_ok=True)


def _aside(name: str) -> str:
    return f".{name}.{platform.node()}."  # two nodes may write the same file


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def naming(path: Path, aside: Path | None = None) -> Iterator[None]:
    """Let an OSError inside that names no file, or the one aside, say that it is about `path`."""
    try:
        yield
    except OSError as error:
        is_named = error.filename is not None and str(error.filename) != str(aside)
        if error.errno is None or is_named:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole. Raises OSError."""
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_sealed(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write an object to a JSON file, whole, with a checksum of itself; returns what stands there. Raises OSError."""
    written = sealed(content)
    write_text(path, json.dumps(written, indent=1) + "\n")
    return written


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """An object as it stands in JSON, with a checksum of itself."""
    plain = json.loads(json.dumps({key: value for key, value in content.items() if key != SEAL}))
    return {**plain, SEAL: _seal(plain)}


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote. Raises UserError."""
    try:
        content = read_json(path)
    except UserError as error:
        raise UserError(f"{error}; {DELETE}" if path.exists() else str(error)) from None
    if content.get(SEAL) != _seal(content):
        raise UserError(f"{path}: its content does not have the checksum it was written with; {DELETE}")
    return content


DELETE = "delete it to compute it again"


def _seal(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps({k: v for k, v in content.items() if k != SEAL}, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a JSON file. Raises UserError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: it is not JSON, or cut short ({error})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}; it must hold an object")
    return content


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
