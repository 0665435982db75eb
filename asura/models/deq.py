"""Deep equilibrium model: the fixed point of a stack (Bai et al., 2019, arXiv 1909.01377), by the library torchdeq."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchdeq import get_deq

from asura.common.validation import LARGEST
from asura.models.layers import Block, Dropout
from asura.models.model import Model, State, normal_rows
from asura.models.settings import Recursive
from asura.models.solvers import BESIDES, FIRST, search
from asura.models.unrolling import Unrolling

SHALLOW = 2
"""Evaluations of the warm start (published): so few that no solver has begun."""


class DEQSettings(Recursive):
    """Deep equilibrium model (Bai et al., 2019, arXiv 1909.01377): the fixed point of a stack, found by a solver.

    `i` is the largest number of evaluations of the stack in the forward pass, and of its gradient in the backward pass.
    The solver uses `i - 1` of them. The last one evaluates the state that was found, and the implicit gradient flows
    through it.
    """

    architecture: Literal["deq"] = "deq"
    i: int = Field(24, ge=4, le=2**20)
    """Largest number of evaluations of the stack. With too few, the solver does not find the fixed point: the measure
    `converged` is the share of the positions of which it does."""
    solver: Literal["anderson", "broyden"] = "anderson"
    """Solver of the forward pass. The backward pass always uses Anderson acceleration."""
    tolerance: float = Field(1e-3, gt=0, lt=1)
    """Relative residual |f(z) - z| / |f(z)| at which the solver stops."""
    ift: bool = True
    """Whether the gradient is implicit, by the theorem of implicit functions. With false it flows through the last
    `backpropagate` evaluations (phantom gradient, Geng et al., 2021, arXiv 2111.05177); where that is null, all `i`
    evaluations are plain iterations, and there is no solver."""
    backpropagate: int | None = Field(None, ge=1, le=LARGEST)
    """Backpropagate through the last so many evaluations; null for all. Only with `ift: false`."""
    warm_start: float = Field(0.1, ge=0, le=1)
    """Share of the steps, the first ones, that train the unrolled stack: 2 evaluations, both with gradient."""
    jacobian: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Weight of the Jacobian loss, which makes solvers converge sooner: the mean square of the Jacobian of f at the
    state that is found, times a random vector (Bai et al., 2021, arXiv 2106.14342). The warm start has none."""
    drawn: Literal[False] = False
    """The number of iterations is never drawn at random."""
    progressive: float = Field(0.0, ge=0, le=0)
    """There is no progressive loss."""
    guidance: Literal["none"] = "none"
    """Training sees one state, the fixed point."""
    growing: float = Field(0.0, ge=0, le=0)
    """The solver decides how many evaluations it needs."""
    deep_supervision: Literal[1] = 1
    """The state does not go on from one step to the next."""

    @model_validator(mode="after")
    def _gradient_fits(self) -> Self:
        if self.ift and self.backpropagate:
            raise ValueError("backpropagate needs ift: false; the implicit gradient is never truncated")
        if self.i < self.even_from:
            raise ValueError(
                f"backpropagate {self.backpropagate}: it must be at most i - 3, so that a solver can begin"
            )
        return self

    @property
    def even_from(self) -> int:
        """The fewest evaluations with which a solver can begin."""
        return 3 + self.applications

    @property
    def solves(self) -> bool:
        """Whether there is a solver."""
        return self.ift or self.backpropagate is not None

    @property
    def applications(self) -> int:
        """How many times the stack is applied to what the solver found."""
        return self.backpropagate or 1


class DEQ(Model):
    """z* = f(z*, e), f(z, e) = LN(B_n(… B_1(z + e))), with the implicit gradient (theorem 1).

    The norm at the end keeps z bounded, without which a pre-norm stack has no fixed point.

    The solver treats each position as a problem of its own, so that a causal model stays causal. Training FLOPs are
    counted as those of i plain iterations, an upper bound: the solver may end before, its backward pass forms the
    parameters' gradient once, and a warm start is shallow. What the noise of a batch is for is the Jacobian loss.
    """

    waits_for_device = True
    measured = ("residual", "evaluations", "converged")

    settings: DEQSettings

    def __init__(self, settings: DEQSettings, vocabulary: int) -> None:
        super().__init__(settings, vocabulary)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.n))
        self.norm = nn.LayerNorm(settings.width)
        self.starts_from_noise = settings.jacobian > 0
        self._first = FIRST[settings.solver] + settings.applications - 1 if settings.solves else LARGEST
        self._besides = BESIDES[settings.solver] + settings.applications - 1
        stop = {"f_tol": settings.tolerance, "b_tol": settings.tolerance, "f_stop_mode": "rel", "b_stop_mode": "rel"}
        # Backwards the problem is linear, and Broyden's method divides by zero where a position has no gradient.
        how = {"ift": settings.ift, "grad": settings.applications, "b_max_iter": settings.i}
        self._deq = get_deq(f_solver=settings.solver, b_solver="anderson", **how, **stop)
        self._deq.f_solver = partial(search, solver=settings.solver)

    @property
    def _drops(self) -> bool:
        return self.training and any(isinstance(module, Dropout) and module.p > 0 for module in self.modules())

    def start(self, tokens: Tensor, noise: Tensor | None = None) -> State:
        """(0, e), from where plain iterations of f would go; in a pass the solver goes instead."""
        e = self.embed(tokens)
        return torch.zeros_like(e), e

    def iterate(self, state: State, t: int) -> State:
        """(f(z, e), e)."""
        z, e = state
        return self.function(z, e), e

    def function(self, z: Tensor, e: Tensor) -> Tensor:
        """f(z, e), on (B, T, d)."""
        u = z + e
        for block in self.blocks:
            u = block(u)
        return self.norm(u)

    def trajectory(
        self,
        tokens: Tensor,
        iterations: int | None = None,
        without_gradient: int = 0,
        noise: Tensor | None = None,
        done: int = 0,
        carried: State = (),
    ) -> Iterator[State]:
        """With gradient, what is found alone; without, what would have been found with each number of evaluations.

        Activation checkpointing has nothing to spare: the implicit gradient keeps one evaluation of f, whatever i is.
        A state is (z, residual, evaluations), the last two of each position, (B, T), and in training with a Jacobian
        loss that of each sequence, (B,).
        """
        limit = self.settings.i if iterations is None else iterations
        e = self.embed(tokens)
        trains = torch.is_grad_enabled()
        if tokens.is_meta or (trains and limit <= self._first):
            *_, state = self._unrolled(e, limit, without_gradient if tokens.is_meta else 0)
            noise = torch.ones_like(e) if tokens.is_meta else noise
            yield (*state, *(self._jacobian(state[0], e, noise) if trains and limit > SHALLOW else ()))
            return

        # Every evaluation drops the same, or there would be no fixed point. The seed follows from that of training.
        seed = int(torch.randint(2**62, ())) if self._drops else None

        def f(z: Tensor) -> Tensor:
            if seed is not None:
                torch.manual_seed(seed)
            return self.function(z.view_as(e).to(e.dtype), e).view_as(z)

        # In float32 at least, since torch.linalg solves nothing in half precision.
        start = torch.zeros_like(e, dtype=torch.promote_types(e.dtype, torch.float32)).flatten(0, 1)
        if trains:
            (z,), info = self._deq(f, start, solver_kwargs={"f_max_iter": limit - self._besides})
            state = self._state(z, info["residual"], info["evaluations"], e)
            yield (*state, *self._jacobian(state[0], e, noise))
        else:
            yield from self._solving(f, start, limit, e)

    def guidance_weights(self, iterations: int) -> tuple[float, ...]:
        """There is one state."""
        return (1.0,)

    def measures(self, state: State) -> dict[str, Tensor]:
        """Mean residual and evaluations over the positions of each sequence, and the share that has converged."""
        _, residual, evaluations, *_ = state
        converged = (residual < self.settings.tolerance).float()
        values = (residual, evaluations, converged)
        return {name: value.mean(1) for name, value in zip(self.measured, values, strict=True)}

    def unrollings(
        self, generator: Generator | None = None, progress: float = 1.0, segment: int = 0
    ) -> list[Unrolling]:
        """The warm start, and then the search for the fixed point."""
        if progress < self.settings.warm_start:
            return [Unrolling(1.0, SHALLOW)]
        return super().unrollings(generator, progress, segment)

    def noise(self, rows: range, length: int, generator: Generator) -> Tensor | None:
        """The vectors that the Jacobian is multiplied by."""
        return normal_rows(rows, (length, self.settings.width), generator) if self.starts_from_noise else None

    def penalty(self, state: State, targets: Tensor) -> Tensor | None:
        """The Jacobian loss."""
        return self.settings.jacobian * state[3].mean() if len(state) == 4 else None

    def _jacobian(self, z: Tensor, e: Tensor, noise: Tensor | None) -> State:
        """The mean square of vᵀJ of each sequence, J the Jacobian of f at z and v the noise; nothing where not asked.

        Its gradient is a second derivative, which neither fused attention nor compiled blocks have.
        """
        if noise is None or not self.settings.jacobian:
            return ()
        z = z.detach().requires_grad_()
        with torch.compiler.set_stance("force_eager"), sdpa_kernel(SDPBackend.MATH):
            image = self.function(z, e)
            (product,) = torch.autograd.grad(image, z, noise.to(image), create_graph=True)
        return (product.square().mean((1, 2)),)

    def _unrolled(self, e: Tensor, limit: int, without_gradient: int = 0) -> Iterator[State]:
        z, trains = torch.zeros_like(e), torch.is_grad_enabled()
        for t in range(1, limit + 1):
            before = z
            with torch.set_grad_enabled(trains and t > without_gradient):
                z = self.function(z, e)
            residual = (z - before).detach().norm(dim=2) / z.detach().norm(dim=2)
            yield z.to(e.dtype), residual, torch.full_like(residual, t)

    def _solving(self, f: Callable[[Tensor], Tensor], start: Tensor, limit: int, e: Tensor) -> Iterator[State]:
        yield from self._unrolled(e, min(self._first, limit))
        if limit <= self._first:
            return
        last = limit - self._besides
        _, found, _ = self._deq.f_solver(f, start, max_iter=last, tol=self.settings.tolerance, keeps_all=True)
        for t in range(self._first, limit):
            z, residual, evaluations = found[min(t - self._first, len(found) - 1)]
            for _ in range(self.settings.applications):
                z = f(z)
            yield self._state(z, residual, evaluations, e)

    def _state(self, z: Tensor, residual: Tensor, evaluations: Tensor, e: Tensor) -> State:
        more = self.settings.applications - 1
        return z.view_as(e).to(e.dtype), residual.view(e.shape[:2]), (evaluations + more).view(e.shape[:2])
