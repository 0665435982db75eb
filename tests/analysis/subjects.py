"""Subjects of analyses: small models, and models that are made to do a known thing."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from asura.analysis.subject import Subject
from asura.common.randomness import generator
from asura.models.bare import BareSettings
from asura.models.model import Model
from asura.models.unrolling import State
from asura.tasks import Task
from asura.tasks.phop import PHop
from tests.conftest import tiny_run

TASK = PHop(hops=3, alphabet=7, length=24)


def subject(model: Model, task: Task = TASK, examples: int = 12) -> Subject:
    """A model on examples of a task; the settings of its run are those of the tiny study."""
    run = tiny_run().model_copy(update={"task": task})
    return Subject(run, model.eval(), task.draw(examples, generator("examples", "test")))


class Made(Model):
    """A model of which each iteration maps the state z (B, T, 8) as is said; the state goes along with the tokens."""

    def __init__(
        self, i: int, start: Callable[[Tensor], Tensor], step: Callable[[Tensor, Tensor, int], Tensor]
    ) -> None:
        super().__init__(BareSettings(i=i, width=8, heads=2), TASK.vocabulary)
        self._start, self._step = start, step

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        return self._start(tokens), tokens

    def iterate(self, state: State, t: int) -> State:
        z, tokens = state
        return self._step(z, tokens, t), tokens

    def logits(self, z: Tensor) -> Tensor:
        """The first coordinates, so that a state says plainly which token it stands for."""
        return 20 * z[..., : self.head.out_features]


def one_hot(tokens: Tensor) -> Tensor:
    return F.one_hot(tokens.clamp(min=0), 8).float()


def oracle(task: PHop = TASK) -> Model:
    """A model that takes one hop an iteration."""
    return Made(task.hops, one_hot, lambda _, tokens, t: one_hot(task.answers(tokens, steps=t)))


def linear(matrix: Tensor, i: int = 2) -> Model:
    """A model whose state is multiplied by a matrix (8, 8) at every position."""
    first = torch.randn(8, generator=torch.Generator().manual_seed(0))
    return Made(i, lambda tokens: first.expand(*tokens.shape, 8), lambda z, _, __: z @ matrix.T)
