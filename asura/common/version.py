"""The version of this package, and where it stands."""

from pathlib import Path

__version__ = "0.2.0"

PACKAGE = Path(__file__).parents[1]
"""The folder of the package."""
