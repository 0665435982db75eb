"""ASURA: a fair harness for the study of depth recursion in transformers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asura.models import build
    from asura.pretrained import from_pretrained

__version__ = "0.2.0"
__all__ = ["build", "from_pretrained"]


def __getattr__(name: str) -> Any:
    """Import torch only when a model is asked for: commands that need none start in a tenth of a second."""
    if name == "build":
        from asura.models import build

        return build
    if name == "from_pretrained":
        from asura.pretrained import from_pretrained

        return from_pretrained
    raise AttributeError(f"module 'asura' has no attribute {name!r}")
