"""Bare recursion: n blocks applied recursively i times, and nothing else."""

from typing import Literal

from asura.models.settings import Recursive
from asura.models.stack import Stack


class BareSettings(Recursive):
    """Bare recursion: a stack of blocks applied `i` times, with no long skip, no norm of the state, nothing else.

    It is the control `iso_recursion` of every other recursive architecture.
    """

    architecture: Literal["bare"] = "bare"


class Bare(Stack):
    """z_t = B_n(… B_1(z_{t-1})), z_0 = e."""
