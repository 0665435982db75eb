"""ASURA: a fair harness for the study of depth recursion in transformers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asura.common.version import __version__

if TYPE_CHECKING:
    from asura.models import architecture, build
    from asura.pretrained import from_pretrained
    from asura.reporting.study_results import results
    from asura.tasks import task

__all__ = ["__version__", "architecture", "build", "from_pretrained", "results", "task"]

_PLACES = {
    "architecture": "asura.models",
    "build": "asura.models",
    "from_pretrained": "asura.pretrained",
    "results": "asura.reporting.study_results",
    "task": "asura.tasks",
}


def __getattr__(name: str) -> Any:
    """Import torch and pandas only when they are needed: commands that need neither start in a tenth of a second."""
    if name not in _PLACES:
        raise AttributeError(f"module 'asura' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
