"""Dynamics: where the sequence of states goes, within the trained number of iterations and far beyond it."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from asura.analysis.readings import path
from asura.analysis.subject import Row, Subject, Tables
from asura.planning.analysis_settings import Dynamics
from asura.tasks import IGNORE, Batch

PERIODS = 8
"""The longest cycle that is looked for."""
STILL = 1e-3
"""Relative step from which on a state stays where it is."""
SETTLES, DRIFTS = 0.5, 0.9
"""A sequence of states settles where its steps, over the first iterations beyond training, shrink to less than half. It
drifts where they do not shrink below nine tenths."""


def dynamics(subject: Subject, settings: Dynamics) -> Tables:
    """Three tables.

    dynamics: a row for each iteration t, or block of a stack, with medians over asked positions: `norm` of the state z,
        relative `step` |z_t - z_{t-1}| / |z_{t-1}|, `angle` in degrees between a step and the one before; and the
        `accuracy` of what the head reads then.
    dynamics_paths: for some positions, the coordinates `x`, `y` of z_t in the plane of the two principal components of
        all their states.
    dynamics_end: one row. `behaviour` says what the first iterations beyond training do (see `behaviour_of`). `period`
        is the length of the cycle that the last states are in: 1 for a fixed point, 0 for none. `trained_accuracy` and
        `last_accuracy` are those at the trained number of iterations, and at the `last` one.
    """
    is_recursive = subject.model.settings.iterates()
    iterations = max(settings.iterations, subject.i) if is_recursive else None
    depth = iterations or subject.model.settings.n

    def measure(part: Batch) -> dict[str, Tensor]:
        return _measured(subject, part, iterations)

    found = subject.gathered(measure, 4 * subject.model.settings.width)
    medians = {name: found[name].double().nanmedian(-1).values.tolist() for name in ("norm", "step", "angle")}
    accuracy = found["right"].double().mean(-1).tolist()
    rows: list[Row] = [
        {"t": t + 1} | {name: values[t] for name, values in medians.items()} | {"accuracy": accuracy[t]}
        for t in range(depth)
    ]
    tables = {"dynamics": rows, "dynamics_paths": _paths(subject, settings.paths, iterations)}
    if is_recursive and depth > subject.i + 1:
        behaviour = behaviour_of(medians["norm"], medians["step"], subject.i)
        period = _period(found["returns"].double().nanmedian(-1).values.tolist(), medians["step"][-1])
        scores = {"trained_accuracy": accuracy[subject.i - 1], "last": depth, "last_accuracy": accuracy[-1]}
        tables["dynamics_end"] = [{"behaviour": behaviour, "period": period} | scores]
    return tables


def behaviour_of(norms: Sequence[float], steps: Sequence[float], trained: int) -> str:
    """`settling`, `marginal` or `drifting`, by the first iterations beyond the trained number: as many, or four.

    norms, steps: of the state and relative, after each iteration from the first on. What counts is the length of a step
    itself: a state that grows by as much at every iteration has shorter and shorter relative steps, and drifts.
    """
    last = min(trained + max(trained, 4), len(steps)) - 1
    lengths = [steps[t] * norms[t - 1] for t in (trained, last)]
    if steps[last] < STILL or lengths[1] < SETTLES * lengths[0]:
        return "settling"
    return "drifting" if lengths[1] > DRIFTS * lengths[0] else "marginal"


def _measured(subject: Subject, part: Batch, iterations: int | None) -> dict[str, Tensor]:
    """Quantities of each asked position, (iterations, N); and `returns`, how far the last state is from those before.

    returns: |z_T - z_{T-p}| / |z_T| for p = 1 … PERIODS, (PERIODS, N); nan where there were fewer iterations.
    """
    model, asked = subject.model, part.targets != IGNORE
    first = model.start(part.tokens)[0][asked].double()
    recent, before = [first], torch.full_like(first, torch.nan)
    found: dict[str, list[Tensor]] = {"norm": [], "step": [], "angle": [], "right": []}
    for _, _, state, z in path(model, part.tokens, iterations):
        now = state[asked].double()
        step = now - recent[-1]
        found["norm"].append(now.norm(dim=-1))
        found["step"].append(_ratio(step, recent[-1]))
        found["angle"].append(torch.cosine_similarity(step, before, dim=-1).clamp(-1, 1).arccos().rad2deg())
        found["right"].append(model.answers(z[asked][None])[0] == part.targets[asked])
        recent, before = [*recent[-PERIODS:], now], step
    returns = [_ratio(now - earlier, now) for earlier in reversed(recent[:-1])]
    returns += [torch.full_like(returns[0], torch.nan)] * (PERIODS - len(returns))
    return {name: torch.stack(of_each) for name, of_each in {**found, "returns": returns}.items()}


def _ratio(of: Tensor, to: Tensor) -> Tensor:
    """The ratio of norms, (N,); nan where the second is 0, as of a state that starts there."""
    size = to.norm(dim=-1)
    return torch.where(size > 0, of.norm(dim=-1) / size, torch.nan)


def _period(returns: Sequence[float], step: float) -> int:
    """The shortest period after which the last state returns: nearer by far than one step leads away; 0 if none."""
    if step < STILL:
        return 1
    return next((p for p, away in enumerate(returns, start=1) if p > 1 and away < step / 10), 0)


def _paths(subject: Subject, count: int, iterations: int | None) -> list[Row]:
    """Paths of the last asked position of the first examples."""
    tokens = subject.batch.tokens[:count].to(subject.device)
    asked = subject.asked[:count].to(subject.device)
    rows, places = asked.nonzero(as_tuple=True)
    last = torch.tensor([places[rows == row].max() if (rows == row).any() else -1 for row in range(len(tokens))])
    with torch.no_grad():
        first = subject.model.start(tokens)[0]
        every = torch.stack([first, *(each.state for each in path(subject.model, tokens, iterations))])
    own = every[:, torch.arange(len(tokens)), last].double().cpu().numpy()
    points, flat = own.reshape(-1, own.shape[-1]), np.full((own[..., 0].size, 2), np.nan)
    finite = np.isfinite(points).all(1)
    flat[finite] = PCA(2, svd_solver="full").fit_transform(points[finite])
    return [
        {"position": position, "t": t, "x": float(x), "y": float(y)}
        for t, of_t in enumerate(flat.reshape(*own.shape[:2], 2))
        for position, (x, y) in enumerate(of_t, start=1)
    ]
