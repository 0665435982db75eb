"""Tiny recursive model: one stack updates two states (Jolicoeur-Martineau, 2025, arXiv 2510.04871)."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from asura.common.validation import LARGEST
from asura.models.two_states import Level, TwoStates, TwoStatesSettings, supervision_steps


class TRMSettings(TwoStatesSettings):
    """Tiny recursive model (Jolicoeur-Martineau, 2025, arXiv 2510.04871): one stack updates two states.

    The states are an answer and a latent one. It was published with `n: 2`, `causal: false` and `i: 48`, which are 16
    steps of deep supervision of 3 iterations. On mazes it takes 4 updates of the latent state, on Sudoku 6.
    """

    architecture: Literal["trm"] = "trm"
    deep_supervision: int = Field(ge=1, le=LARGEST, default_factory=supervision_steps(3))
    """Number of steps of the optimiser on each batch, of `i / deep_supervision` iterations each; the state goes on to
    the next without gradient. The default is `i` over its largest divisor up to 3; it is 1 with `drawn`,
    `progressive`, `growing`, and a list for `guidance`."""
    latent_updates: int = Field(6, ge=1, le=LARGEST)
    one_step_gradient: bool = False


class TRM(TwoStates):
    """z = f(z + y + e), `latent_updates` times, then y = f(y + z): one stack f for both.

    The published f has RMSNorm and a gated MLP, and on Sudoku an MLP over positions does better than attention; here
    it is made of the layers of every architecture. The halting head is the published one without the second output,
    whose loss the paper drops: binary cross-entropy, with no Q-learning.
    """

    def __init__(self, settings: TRMSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.level = Level(settings)

    def update_latent(self, x: Tensor) -> Tensor:
        """f."""
        return self.level(x)

    def update_answer(self, x: Tensor) -> Tensor:
        """f."""
        return self.level(x)
