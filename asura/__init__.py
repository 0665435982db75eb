"""ASURA: a fair harness for the study of depth recursion in transformers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asura.models import build

__version__ = "0.1.0"
__all__ = ["build"]


def __getattr__(name: str) -> Any:
    """Import torch only when a model is asked for: commands that need none start in a tenth of a second."""
    if name == "build":
        from asura.models import build

        return build
    raise AttributeError(f"module 'asura' has no attribute {name!r}")
