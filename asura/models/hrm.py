"""Hierarchical reasoning model: a fast and a slow stack, each with a state (Wang et al., 2025, arXiv 2506.21734)."""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from asura.common.validation import LARGEST
from asura.models.two_states import Level, TwoStates, TwoStatesSettings, supervision_steps


class HRMSettings(TwoStatesSettings):
    """Hierarchical reasoning model (Wang et al., 2025, arXiv 2506.21734): a fast and a slow stack, each with a state.

    `n` is the number of blocks of each stack. It was published with `n: 4`, `causal: false` and `i: 32`, which are 16
    steps of deep supervision of 2 iterations. Its successor for language, HRM-Text (arXiv 2605.20613), is close to
    `{i: 2, latent_updates: 3, recall: false, norms: before, one_step_gradient: false, backpropagate: null,
    deep_supervision: 1, halting_weight: 0}`.
    """

    architecture: Literal["hrm"] = "hrm"
    deep_supervision: int = Field(ge=1, le=LARGEST, default_factory=supervision_steps(2))
    """Number of steps of the optimiser on each batch, of `i / deep_supervision` iterations each; the state goes on to
    the next without gradient. The default is `i` over its largest divisor up to 2; it is 1 with `drawn`,
    `progressive`, `growing`, and a list for `guidance`."""
    latent_updates: int = Field(2, ge=1, le=LARGEST)
    one_step_gradient: bool = True

    stacks: ClassVar[int] = 2


class HRM(TwoStates):
    """z = L(z + y + e), `latent_updates` times, then y = H(y + z), with a stack of blocks for each.

    The gradient is the one-step approximation: of a step of training, only the last update of z and the last of y have
    one. The published blocks have RMSNorm and a gated MLP; here they are made of the layers of every architecture. The
    halting head is the later simplification (arXiv 2510.04871), binary cross-entropy of whether the answer is right.
    The published head is trained by Q-learning, which takes a further pass for its targets, and decides how many
    steps are taken on an example; here the number is fixed.
    """

    def __init__(self, settings: HRMSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.low, self.high = Level(settings), Level(settings)

    def update_latent(self, x: Tensor) -> Tensor:
        """L."""
        return self.low(x)

    def update_answer(self, x: Tensor) -> Tensor:
        """H."""
        return self.high(x)
