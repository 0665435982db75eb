"""An iteration of a model as a map of one tensor, from any start: z_t = F_t(z_{t-1}).

z is what an iteration leaves to the next and changes. The rest of a state, such as the input that returns, is held. Of
a model with two states z is both together, since each is a function of both.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from torch import Tensor

from asura.models.model import Model
from asura.models.unrolling import State


def moving(model: Model, state: State) -> Tensor:
    """z of a state, (B, T, d) or, of two states, (B, T, 2d)."""
    return torch.cat(state[: model.carries], -1)


def with_moving(model: Model, state: State, z: Tensor) -> State:
    """A state with z, and with the rest of another."""
    return (*z.chunk(model.carries, -1), *state[model.carries :])


def map_at(model: Model, state: State, t: int) -> Callable[[Tensor], Tensor]:
    """F_t, with the rest of this state."""
    return lambda z: moving(model, model.iterate(with_moving(model, state, z), t))


def iterated(model: Model, state: State, iterations: int) -> Iterator[State]:
    """The states after each iteration from a first one; of a model with a solver, without it."""
    for t in range(1, iterations + 1):
        state = model.iterate(state, t)
        yield state


def end_of(model: Model, state: State, iterations: int) -> State:
    """The last of these states."""
    *_, end = iterated(model, state, iterations)
    return end


def exact(model: Model) -> Model:
    """A copy in float64, which not every device has, without the parts of a gradient that training cuts off."""
    device = model.head.weight.device
    copied = deepcopy(model).to("cpu" if device.type == "mps" else device, torch.float64).requires_grad_(False)
    if hasattr(model.settings, "one_step_gradient"):
        copied.settings = model.settings.model_copy(update={"one_step_gradient": False})
    return copied
