"""Exits: positions that stop early, by what they predict or by chance, and what that saves.

A position that has stopped keeps its state, and the iterations of the others go on attending to it. To decide by the
entropy of a prediction is that of Schuster et al. (2022, arXiv 2207.07061); by its change, of Geiping et al. (2025,
arXiv 2502.05171).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from asura.analysis.subject import NotApplicable, Row, Subject, Tables, needs_iterations
from asura.common.randomness import generator
from asura.models import build
from asura.models.layers import ConcatSkip
from asura.models.model import Model
from asura.models.ouro import Ouro
from asura.models.universal import Universal
from asura.models.unrolling import State
from asura.planning.analysis_settings import Exits
from asura.planning.costs import count_flops, forward_flops
from asura.tasks import IGNORE, Batch

FIXED = "fixed"
"""All positions stop after the same iteration."""


class Seen(NamedTuple):
    """What an exit may be decided by after an iteration, of each position: log-probabilities (B, T, V) and states.

    before: the log-probabilities one iteration earlier; None after the first.
    """

    log_p: Tensor
    before: Tensor | None
    state: State
    earlier: State


Criterion = Callable[[Seen], Tensor]
"""A number for each position, (B, T), which stops where it is below a threshold."""


def entropy(seen: Seen) -> Tensor:
    """Of the prediction, in nats."""
    return -(seen.log_p.exp() * seen.log_p).sum(-1)


def divergence(seen: Seen) -> Tensor:
    """KL from the prediction one iteration earlier to this one, in nats; infinite after the first."""
    if seen.before is None:
        return torch.full_like(seen.log_p[..., 0], torch.inf)
    return (seen.log_p.exp() * (seen.log_p - seen.before)).sum(-1)


def change(seen: Seen) -> Tensor:
    """Relative step of the state."""
    now, before = seen.state[0], seen.earlier[0]
    found: Tensor = (now - before).norm(dim=-1) / before.norm(dim=-1).clamp(min=1e-9)
    return found


def survival(seen: Seen) -> Tensor:
    """The probability that no gate of `ouro` has let a position out."""
    stays = torch.stack([(-gate).sigmoid() for gate in seen.state[2:]])
    return stays.prod(0)


def halting(seen: Seen) -> Tensor:
    """What is left of the halting probability of `universal` with ACT."""
    return 1 - seen.state[2]


READS = ("entropy", "divergence")
"""Criteria that read a prediction after every iteration."""


def exits(subject: Subject, settings: Exits) -> Tables:
    """Two tables.

    exits: a row for each criterion and threshold, and for each fixed number of iterations: mean `iterations` of all
        positions, inference `flops` per position, `accuracy` on the test split and `validation_accuracy`. Thresholds
        are quantiles of what a criterion is on the validation split, and differ by seed; `rank` is the place among
        them. `is_chosen` is 1 for the cheapest that loses, also there, at most `tolerance` of the accuracy of the whole
        pass, and else 0.
    exits_area: of each criterion, the mean accuracy over mean iterations from 1 to the trained number, by trapezoids.

    Raises NotApplicable where there is nothing to stop.
    """
    needs_iterations(subject)
    model = subject.model
    if subject.i < 2:
        raise NotApplicable("it has one iteration")
    if type(model).trajectory is not Model.trajectory:
        raise NotApplicable("its solver decides by itself how many evaluations a position takes")
    task = subject.task
    held = task.splits["validation"].draw(len(subject.batch.tokens), generator("examples", "validation"))
    cost = _Cost(subject)
    rows, areas = [], []
    for name, criterion in [(FIXED, None), *_criteria(subject)]:
        own = []
        for rank, threshold in enumerate(_thresholds(subject, held, criterion, settings.thresholds), start=1):
            stops = _stop_at(int(threshold)) if criterion is None else _stop_below(criterion, threshold)
            validation, _, _ = _passed(subject, held, stops)
            accuracy, iterations, stopped = _passed(subject, subject.batch, stops)
            flops = cost.of(iterations, stopped, name in READS)
            found = {"iterations": iterations, "flops": flops, "accuracy": accuracy, "validation_accuracy": validation}
            own.append({"criterion": name, "rank": rank, "threshold": threshold, **found})
        rows += _with_choice(own, settings.tolerance)
        areas.append({"criterion": name, "area": _area([rows[0], *own], subject.i)})
    return {"exits": rows, "exits_area": areas}


def _criteria(subject: Subject) -> Iterator[tuple[str, Criterion]]:
    """The criteria that a model has."""
    yield from (("entropy", entropy), ("divergence", divergence), ("change", change))
    if isinstance(subject.model, Ouro):
        yield "gate", survival
    if isinstance(subject.model, Universal) and subject.model.halting:
        yield "halting", halting
    source = subject.generator("exits")
    yield "random", lambda seen: torch.rand(seen.log_p.shape[:2], generator=source).to(seen.log_p.device)


def passed(
    model: Model, tokens: Tensor, iterations: int, stops: Callable[[int, Seen], Tensor]
) -> tuple[Tensor, Tensor]:
    """The likeliest token at the end, and the iterations that each position took, both (B, T).

    `stops` says after iteration t which positions stop there, (B, T).
    """
    state = model.start(tokens)
    running = torch.ones(tokens.shape, dtype=torch.bool, device=tokens.device)
    taken = torch.zeros(tokens.shape, dtype=torch.int64, device=tokens.device)
    log_p = None
    for t in range(1, iterations + 1):
        earlier, before = state, log_p
        state = _kept(running, model.iterate(state, t), state)
        taken += running
        log_p = model.logits(model.read(state)).float().log_softmax(-1)
        if t < iterations:
            running = running & ~stops(t, Seen(log_p, before, state, earlier))
    assert log_p is not None
    return log_p.argmax(-1), taken


def _kept(running: Tensor, new: State, old: State) -> State:
    """The new state where a position runs, and the old one elsewhere; parts that are new are taken as they are."""
    parts = []
    for place, part in enumerate(new):
        where = running[(..., *(None,) * (part.dim() - running.dim()))]
        parts.append(torch.where(where, part, old[place]) if place < len(old) and part is not old[place] else part)
    return tuple(parts)


def _stop_at(last: int) -> Callable[[int, Seen], Tensor]:
    return lambda t, seen: torch.full(seen.log_p.shape[:2], t >= last, device=seen.log_p.device)


def _stop_below(criterion: Criterion, threshold: float) -> Callable[[int, Seen], Tensor]:
    return lambda _, seen: criterion(seen) < threshold


def _thresholds(subject: Subject, held: Batch, criterion: Criterion | None, count: int) -> list[float]:
    """All numbers of iterations, or 0, which stops nothing, quantiles of a criterion, and what stops everything."""
    if criterion is None:
        return [float(t) for t in range(1, subject.i + 1)]
    values: list[Tensor] = []

    def watch(_: int, seen: Seen) -> Tensor:
        values.append(criterion(seen).flatten())
        return torch.zeros(seen.log_p.shape[:2], dtype=torch.bool, device=seen.log_p.device)

    _passed(subject, held, watch)
    found = torch.cat(values).double().cpu().numpy()
    finite = found[np.isfinite(found)]
    levels = np.quantile(finite, np.linspace(0, 1, count + 2)[1:-1]).tolist() if finite.size else []
    return [0.0, *levels, float("inf")]


def _passed(subject: Subject, batch: Batch, stops: Callable[[int, Seen], Tensor]) -> tuple[float, float, float]:
    """Accuracy at asked positions, mean iterations, and mean iterations in which a position had stopped.

    A sequence of which all positions have stopped is done.
    """

    def measure(part: Batch) -> dict[str, Tensor]:
        chosen, taken = passed(subject.model, part.tokens, subject.i, stops)
        asked = part.targets != IGNORE
        stopped = (taken.amax(1, keepdim=True) - taken).flatten()
        return {"right": chosen[asked] == part.targets[asked], "taken": taken.flatten(), "stopped": stopped}

    numbers = 4 * subject.model.head.out_features
    found = subject._replace(batch=batch).gathered(measure, numbers)
    right, taken, stopped = (found[name].double().mean().item() for name in ("right", "taken", "stopped"))
    return right, taken, stopped


class _Cost:
    """Inference FLOPs of a position, counted by torch on one sequence.

    A position that has stopped still gives keys and values to the others: of the last block these alone are computed,
    and the long skip before it; blocks before the last are computed whole, since what they attend to changes.
    """

    def __init__(self, subject: Subject) -> None:
        model = build(subject.model.settings, subject.task.vocabulary, device="meta")
        tokens = torch.zeros_like(subject.batch.tokens[:1], device="meta")
        once, twice = (forward_flops(model, tokens, iterations) / tokens.shape[1] for iterations in (1, 2))
        width, blocks = model.settings.width, model.settings.n * getattr(model.settings, "passes", 1)
        self.iteration = twice - once
        self.reading = _flops_of_reading(model, tokens) / tokens.shape[1]
        self.rest = once - self.iteration
        skips = any(isinstance(module, ConcatSkip) for module in model.modules())
        keys_and_values = 4 * width**2 + (4 * width**2 if skips else 0)
        self.stopped = self.iteration * (blocks - 1) / blocks + keys_and_values

    def of(self, iterations: float, stopped: float, reads_each: bool) -> float:
        """FLOPs at a mean number of iterations, and of iterations in which a position has stopped."""
        more = self.reading * (iterations - 1) if reads_each else 0.0
        return self.rest + iterations * self.iteration + stopped * self.stopped + more


def _flops_of_reading(model: Model, tokens: Tensor) -> int:
    """FLOPs of what is read of a state, and of the head; a coda is part of it."""
    with torch.no_grad():
        (state,) = model.trajectory(tokens, 1)
        return count_flops(lambda: model.logits(model.read(state)))


def _with_choice(rows: list[Row], tolerance: float) -> list[Row]:
    """The rows, with the cheapest marked whose accuracy on the validation split is near that of the whole pass."""
    whole = max(rows, key=lambda row: row["iterations"])["validation_accuracy"]
    near = [row for row in rows if row["validation_accuracy"] >= whole - tolerance]
    chosen = min(near, key=lambda row: row["flops"])
    return [row | {"is_chosen": float(row is chosen)} for row in rows]


def _area(rows: list[Row], most: int) -> float:
    """See `exits`; every criterion can stop everything after one iteration, as the first fixed number does."""
    points = sorted({(row["iterations"], row["accuracy"]) for row in rows})
    x, y = zip(*points, strict=True)
    return float(np.trapezoid(y, x) / (most - 1))
