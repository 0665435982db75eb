"""What computes here: the versions of the packages whose numbers a run is made of, and the commit of the code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from asura import __version__

PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "torchdeq", "pydantic")
SECONDS = 10
"""Time that git is given; a file system may be slow."""


def provenance() -> dict[str, Any]:
    """Versions, and of the checkout that this package stands in the commit, and whether the package is as in it.

    The commit is null where the package stands in no checkout, or git is not there or does not answer.
    """
    return {"versions": _versions(), "git": _git(Path(__file__).parent)}


def _versions() -> dict[str, str | None]:
    return {"asura": __version__, "python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(package: Path) -> dict[str, Any] | None:
    """A package that lies in a checkout without being part of it, as in its environment, has no commit."""

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(package), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS).stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", Path(__file__).name)
        return {"commit": ask("rev-parse", "HEAD"), "clean": not ask("status", "--porcelain", "--", ".")}
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
