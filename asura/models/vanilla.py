"""The baseline: a pre-norm GPT, n blocks applied once."""

from typing import Literal

from asura.models.settings import Architecture
from asura.models.stack import Stack


class VanillaSettings(Architecture):
    """The baseline (Radford et al., 2019): a pre-norm GPT whose blocks are applied once."""

    architecture: Literal["vanilla"] = "vanilla"
    i: Literal[1] = 1
    """Number of iterations. A stack without recursion is applied once."""


class Vanilla(Stack):
    """z_1 = B_n(… B_1(e)); the next-token baseline of every comparison (Radford et al., 2019)."""
