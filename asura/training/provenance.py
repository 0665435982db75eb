"""What made a run, beside its settings: packages, and the commit of the checkout."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from asura import __version__

PACKAGES = ("torch", "numpy", "safetensors", "pydantic", "tokenizers", "torchdeq")


def provenance() -> dict[str, Any]:
    """Versions of what computes; the commit of this package's checkout and whether it was clean, where there is one."""
    versions = {"asura": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    if _git("ls-files", "--error-unmatch", __file__) is None:  # not from a checkout, whatever stands around it
        return {"versions": versions, "commit": None, "clean": None}
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"versions": versions, "commit": _git("rev-parse", "HEAD"), "clean": not status}


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
