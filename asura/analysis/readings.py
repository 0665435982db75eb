"""What the head can read within a pass: the state after each iteration and, where it has the same form, each block."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn

from asura.models.model import Model


class Reading(NamedTuple):
    """A place in a pass, after block `block` of iteration `iteration`, both counted from 1.

    state: from what the next iteration or block starts, (B, T, d).
    z: what the head sees, (B, T, d).
    """

    iteration: int
    block: int
    state: Tensor
    z: Tensor


def readings(model: Model, tokens: Tensor, iterations: int | None = None) -> Iterator[Reading]:
    """After each block of each iteration; the last block of an iteration stands for the state that it leaves.

    Blocks within an iteration are read only where the head reads the state as it is, and the state is what a block
    leaves: not of architectures that read a coda, a mean or a second state.
    """
    n = model.settings.n
    found: list[Tensor] = []
    handles = [part.register_forward_hook(lambda _m, _i, z: found.append(z)) for part in _blocks(model)]
    try:
        for t, state in enumerate(model.trajectory(tokens, iterations), start=1):
            within, found[:] = found[: n - 1] if len(found) == n else [], []
            yield from (Reading(t, block, z, z) for block, z in enumerate(within, start=1))
            yield Reading(t, n, state[0], model.read(state))
    finally:
        for handle in handles:
            handle.remove()


def path(model: Model, tokens: Tensor, iterations: int | None = None) -> Iterator[Reading]:
    """After each iteration or, of a model that does not iterate, after each block."""
    every = readings(model, tokens, iterations)
    return every if not model.settings.iterates() else (each for each in every if each.block == model.settings.n)


def _blocks(model: Model) -> list[nn.Module]:
    """The blocks whose results the head could read."""
    return model.parts() if type(model).read is Model.read and type(model).trajectory is Model.trajectory else []
