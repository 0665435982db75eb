"""Solvers of torchdeq, in which every position is a problem of its own, so that a causal model stays causal."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torchdeq.solver import get_solver

FIRST = {"anderson": 3, "broyden": 2}
"""The first number of evaluations after which torchdeq's solver can tell its state; before it, f is just applied."""
FINDS_IMAGE = {"anderson": True, "broyden": False}
"""Whether the state that a solver has found is the image f(z) of its last step, or z itself."""
BESIDES = {"anderson": 1, "broyden": 2}
"""Evaluations that are no step of the solver: those before its first one, and the last, of what it found."""

Found = tuple[Tensor, Tensor, Tensor]
"""States (N, d), residuals and numbers of evaluations, both (N,)."""


class _AllConverged(Exception):
    """Every position has converged, so the solver need not go on."""


class _Search:
    """f as a solver evaluates it; keeps of each position, of N in (N, d), the state with the smallest residual.

    The search of a position ends when its residual falls below the tolerance. Whatever the solver does afterwards for
    the other positions changes neither its state nor its residual nor its number of evaluations.
    """

    def __init__(
        self, f: Callable[[Tensor], Tensor], start: Tensor, solver: str, tolerance: float, keeps_all: bool = False
    ) -> None:
        self._f, self._tolerance, self._keeps_all, self._calls = f, tolerance, keeps_all, 0
        self._first, self._finds_image = FIRST[solver], FINDS_IMAGE[solver]
        self.state = start
        self.residual = torch.full_like(start[:, 0], 1e8)
        self.evaluations = torch.zeros_like(self.residual)
        """That a position took, the last one of its state included; all so far, if it has not converged."""
        self.found: list[Found] = []
        """After each evaluation, if all are kept."""

    def __call__(self, z: Tensor) -> Tensor:
        image = self._f(z).to(z.dtype)
        self._calls += 1
        if self._calls >= self._first:
            self._note(z, image)
        return image

    def _note(self, z: Tensor, image: Tensor) -> None:
        residual = (image - z).norm(dim=1) / (image.norm(dim=1) + 1e-9)
        running = self.residual >= self._tolerance
        better = running & (residual < self.residual)
        self.state = torch.where(better[:, None], image if self._finds_image else z, self.state).detach()
        self.residual = torch.where(better, residual, self.residual)
        self.evaluations = torch.where(running, self._calls + 1, self.evaluations)
        if self._keeps_all:
            self.found.append((self.state, self.residual, self.evaluations))
        if (self.residual < self._tolerance).all():
            raise _AllConverged


def search(
    f: Callable[[Tensor], Tensor], x0: Tensor, max_iter: int, tol: float, solver: str, keeps_all: bool = False, **_: Any
) -> tuple[Tensor, list[Found], dict[str, Tensor]]:
    """A solver for torchdeq in which every position is a problem of its own; `tol` is relative."""
    found = _Search(f, x0, solver, tol, keeps_all)
    with suppress(_AllConverged):
        # With a tolerance of 0: where torchdeq itself would stop depends on the whole batch.
        get_solver(solver)(found, x0, max_iter=max_iter, tol=0.0, stop_mode="rel")
    return found.state, found.found, {"residual": found.residual, "evaluations": found.evaluations}
