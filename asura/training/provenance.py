"""What made a run, beside its settings: packages, and the commit of the checkout."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from asura.common.version import PACKAGE, __version__

PACKAGES = ("torch", "numpy", "safetensors", "pydantic", "tokenizers", "torchdeq")
SECONDS = 10
"""Time that git is given; a file system may be slow."""


def provenance() -> dict[str, Any]:
    """Versions of what computes; the commit of the checkout, and whether this package is as it is there, or null."""
    versions: dict[str, str | None] = {"asura": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:  # not from a checkout, whatever stands around it
        return {"versions": versions, "commit": None, "clean": None}
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", ".")
    return {"versions": versions, "commit": commit, "clean": None if changes is None else not changes}


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(PACKAGE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
