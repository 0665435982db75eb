"""Fixed points: whether an iteration contracts, whether states converge, and whether the end depends on the start.

Path independence is as in Anil et al. (2022, arXiv 2211.09961). docs/theory.md has the definitions.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from asura.analysis.jacobian import jacobian, largest_singular_value, spectral_radius
from asura.analysis.maps import end_of, exact, iterated, map_at, moving, with_moving
from asura.analysis.subject import NotApplicable, Row, Subject, Tables, needs_iterations
from asura.models.model import Model
from asura.models.unrolling import State
from asura.planning.analysis_settings import FixedPoints
from asura.tasks import IGNORE, Batch

STARTS = ("own", "noise", "another")
LATE = 8
"""Ratios of steps that a rate is the mean of."""
ROUNDING = 1e-6
"""Relative step below which rounding has a part in the next one. A rate leaves the ratio to such a step out."""


def fixed_points(subject: Subject, settings: FixedPoints) -> Tables:
    """Three tables about z, the part of the state that iterations change (`asura.analysis.maps`).

    fixed_points: a row for each iteration t. `converged` is the share of asked positions whose relative step
        |z_t - z_{t-1}| / |z_{t-1}| is below the tolerance.
    fixed_points_map: a row for the trained number of iterations and one for the last, t, with medians over examples.
        `singular_value` is the largest one, and `spectral_radius` the largest magnitude of an eigenvalue, of the
        Jacobian of iteration t + 1 at z_t, all positions of an example together. `below_one` is the share of the
        examples whose spectral radius is below 1. `rate` is the geometric mean of |z_{s+1} - z_s| / |z_s - z_{s-1}|
        over the first iterations beyond training, or the last ones.
    fixed_points_start: a row for each start of the same pass: the model's `own`; `noise` with the norm that z has after
        the trained number of iterations; or z of `another` example then. `distance` is how far the ends are from the
        end of the own start, relative to its norm, as the median over asked positions; `same` the share of asked
        positions with the same answer, and `accuracy` the share of right ones.

    Raises NotApplicable for a model that does not iterate, or whose positions halt.
    """
    needs_iterations(subject)
    model, last = subject.model, max(settings.iterations, subject.i)
    first = model.start(subject.batch.tokens[:1].to(subject.device))
    if any(part.dim() != 3 for part in first[: model.carries]):
        raise NotApplicable("a position that has halted keeps its state, whatever it is")
    tables = _of_positions(subject, last, settings.tolerance)
    return {**tables, "fixed_points_map": _of_maps(subject, last, settings.examples)}


# Convergence and path independence


@torch.no_grad()
def _of_positions(subject: Subject, last: int, tolerance: float) -> Tables:
    others = subject._replace(batch=Batch(*(part.roll(1, 0) for part in subject.batch)))
    noise, width = subject.generator("fixed_points", "noise"), subject.model.settings.width
    parts = zip(subject.parts(width), others.parts(width), strict=True)
    each = [_of_part(subject, part, other.tokens, last, tolerance, noise) for part, other in parts]
    found = {name: torch.cat([part[name] for part in each], -1).double().cpu() for name in each[0]}
    shares = {name: found[name].mean(-1).tolist() for name in ("converged", "same", "accuracy")}
    distances = found["distance"].nanmedian(-1).values.tolist()
    return {
        "fixed_points": [{"t": t, "converged": share} for t, share in enumerate(shares["converged"], start=1)],
        "fixed_points_start": [
            {"start": start, "distance": distances[k], "same": shares["same"][k], "accuracy": shares["accuracy"][k]}
            for k, start in enumerate(STARTS)
        ],
    }


def _of_part(
    subject: Subject, part: Batch, other: Tensor, last: int, tolerance: float, noise: Generator
) -> dict[str, Tensor]:
    """Quantities of the asked positions, (iterations, N) or (starts, N); `other` are tokens of as many examples."""
    model, asked = subject.model, part.targets != IGNORE
    first = model.start(part.tokens)
    end, trained, converged = _pass(model, first, last, tolerance)
    random = normalize(torch.randn(trained.shape, generator=noise).to(trained), dim=-1)
    elsewhere = (
        random * trained.norm(dim=-1, keepdim=True),
        moving(model, end_of(model, model.start(other), subject.i)),
    )
    ends = [end, *(end_of(model, with_moving(model, first, z), last) for z in elsewhere)]
    own, *_ = z = torch.stack([moving(model, each)[asked] for each in ends])
    answers = torch.stack([model.answers(model.read(each))[asked] for each in ends])
    return {
        "converged": converged[:, asked],
        "distance": (z - own).norm(dim=-1) / own.norm(dim=-1),
        "same": answers == answers[0],
        "accuracy": answers == part.targets[asked],
    }


def _pass(model: Model, state: State, last: int, tolerance: float) -> tuple[State, Tensor, Tensor]:
    """The last state, z after the trained number of iterations, and where each has converged, (iterations, B, T)."""
    z, converged = moving(model, state), []
    for t, end in enumerate(iterated(model, state, last), start=1):
        before, z = z, moving(model, end)
        converged.append((z - before).norm(dim=-1) < tolerance * before.norm(dim=-1))
        if t == model.settings.i:
            trained = z
    return end, trained, torch.stack(converged)


# Contraction


def _of_maps(subject: Subject, last: int, examples: int) -> list[Row]:
    model, vectors = exact(subject.model), subject.generator("fixed_points", "vectors")
    found: list[Row] = []
    for tokens in subject.batch.tokens[:examples].split(1):
        states, ratios = _path(model, tokens.to(model.head.weight.device), last)
        rates = {subject.i: rate(ratios[:LATE]), last: rate(ratios[-LATE:])}
        for t, state in states.items():
            found.append({"t": t} | _sizes(model, state, t, vectors) | {"rate": rates[t]})
    groups = pd.DataFrame(found).groupby("t")
    radius = groups["spectral_radius"].apply(lambda of_t: (of_t.dropna() < 1).mean())
    medians = groups.median().assign(below_one=radius)
    return [{"t": t} | row for t, row in medians.to_dict("index").items()]


@torch.no_grad()
def _path(model: Model, tokens: Tensor, last: int) -> tuple[dict[int, State], list[float]]:
    """The states after the trained number of iterations and the last, and the ratios of successive steps in between."""
    first = model.start(tokens)
    z, step, states, ratios = moving(model, first), 0.0, {}, []
    for t, state in enumerate(iterated(model, first, last), start=1):
        before, z = z, moving(model, state)
        earlier, step = step, (z - before).norm().item()
        if t > model.settings.i and earlier > ROUNDING * before.norm().item():
            ratios.append(step / earlier)
        if t in (model.settings.i, last):
            states[t] = state
    return states, ratios


def rate(ratios: Sequence[float]) -> float:
    """The geometric mean; nan of none."""
    return float(np.prod(ratios) ** (1 / len(ratios))) if ratios else np.nan


def _sizes(model: Model, state: State, t: int, vectors: Generator) -> dict[str, float]:
    """Of the Jacobian of iteration t + 1 at z_t of one example; nan where the state is not finite."""
    z = moving(model, state)
    first = torch.randn(z.numel(), generator=vectors, dtype=torch.float64).numpy()
    if not z.isfinite().all():
        return dict.fromkeys(("singular_value", "spectral_radius"), np.nan)
    matrix = jacobian(map_at(model, state, t + 1), z)
    return {
        "singular_value": largest_singular_value(matrix, first),
        "spectral_radius": spectral_radius(matrix, first),
    }
