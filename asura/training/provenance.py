"""What made a run, beside its settings: packages, and the commit of the checkout, or that which was installed."""

import json
import platform
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution, version
from pathlib import Path
from typing import Any

from asura.common.git import commit_of
from asura.common.version import PACKAGE, __version__

PACKAGES = ("torch", "numpy", "safetensors", "pydantic", "tokenizers", "torchdeq")


def provenance() -> dict[str, Any]:
    """Versions of what computes; the commit of this package, and whether it is as it is there, or null."""
    versions: dict[str, str | None] = {"asura": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    of_checkout = commit_of(PACKAGE, "__init__.py")
    return {"versions": versions, **(of_checkout if of_checkout["commit"] else _installed())}


def _installed() -> dict[str, Any]:
    """The same of an installed package, whose installer has noted the commit and the checksum of each file."""
    try:
        found = distribution("asura-recursion")
        origin = json.loads(found.read_text("direct_url.json") or "{}")
        commit = origin.get("vcs_info", {}).get("commit_id") if _is_this(found) else None
    except (PackageNotFoundError, ValueError):
        commit = None
    return {"commit": commit, "clean": all(map(_is_as_noted, found.files or ())) if commit else None}


def _is_this(found: Distribution) -> bool:
    """Whether a distribution is the package that runs, and not another that is installed beside it."""
    return Path(str(found.locate_file(PACKAGE.name))).resolve() == PACKAGE.resolve()


def _is_as_noted(file: PackagePath) -> bool:
    if file.parts[0] != PACKAGE.name or file.hash is None:
        return True
    path = Path(str(file.locate()))
    digest = sha256(path.read_bytes()).digest() if path.is_file() else b""
    return file.hash.value == urlsafe_b64encode(digest).decode().rstrip("=")
