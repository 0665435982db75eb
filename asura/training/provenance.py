"""What made a run, beside its settings: packages, and the commit of the checkout."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from asura.common.git import commit_of
from asura.common.version import PACKAGE, __version__

PACKAGES = ("torch", "numpy", "safetensors", "pydantic", "tokenizers", "torchdeq")


def provenance() -> dict[str, Any]:
    """Versions of what computes; the commit of the checkout, and whether this package is as it is there, or null."""
    versions: dict[str, str | None] = {"asura": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {"versions": versions, **commit_of(PACKAGE, "__init__.py")}
