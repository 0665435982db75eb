"""Files that are whole or not there: written aside, then renamed; and read with one line for what is wrong."""

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.errors import UserError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path aside to write to, which becomes `path` once it is on the disk, and nothing where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")  # two nodes may write the same file
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` on a path aside, and rename that to `path` once it is on the disk. Raises OSError."""
    with whole(path) as aside:
        write(aside)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole. Raises OSError."""
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


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
