"""Interventions: what becomes of the answer when the state that an iteration starts from is replaced by another.

Replacing an activation by that of another input is known as interchange intervention (Geiger et al., 2021, arXiv
2106.02997) or activation patching (Meng et al., 2022, arXiv 2202.05262).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from asura.analysis.subject import Row, Subject, Tables
from asura.models.layers import ConcatSkip
from asura.models.model import Model, normal_rows
from asura.models.unrolling import State
from asura.planning.analysis_settings import Interventions
from asura.tasks import IGNORE, Batch

Stage = Callable[[State], State]
"""An iteration, or of a model that does not iterate a block."""

UNTOUCHED, OTHERS = ("untouched", 0), ("others", 0)
"""What the model answers where nothing is done, to an example and to the one that its state is replaced by."""

Answers = dict[tuple[str, int], Tensor]
"""By intervention and iteration, (B, T)."""


def interventions(subject: Subject, settings: Interventions) -> Tables:
    """Two tables.

    interventions: a row for each `intervention` and iteration, or block of a stack, `t`. What t starts from is
        replaced by what it starts from of another example (`other`), by the model's first state (`start`) or by noise
        of the same norm at each position (`noise`); the input that returns at every iteration stays the example's own.
        With `cut` it is the returning input that is zero, at t alone; a model without one has no such rows. At the
        asked positions, `accuracy` is beside that of the model itself, `untouched`, `changed` is the share of answers
        that are no longer its own, and `followed`, of `other`, the share that are what it answers to the other example,
        of those at which the two answers differ.
    interventions_skips: Frobenius norms of the halves of the projection W of [z; e] of each iteration that multiply the
        state `z` and the input `e`; none for a model without such a projection.

    An equilibrium model is iterated without its solver.
    """
    model = subject.model
    every = stages(model, settings.iterations)
    given = injected(model, every, subject.batch.tokens[:1].to(subject.device))
    shown = np.linspace(1, len(every), min(len(every), settings.places)).round().astype(int).tolist()
    numbers = 4 * len(every) * model.settings.width
    others = subject._replace(batch=Batch(*(part.roll(1, 0) for part in subject.batch)))
    found: dict[tuple[str, int], list[Tensor]] = {}
    first = 0
    for own, other in zip(subject.parts(numbers), others.parts(numbers), strict=True):
        rows = range(first, first + len(own.tokens))
        for key, answers in _answers(subject, every, given, shown, own.tokens, other.tokens, rows).items():
            found.setdefault(key, []).append(answers.cpu())
        first = rows.stop
    whole = {key: torch.cat(parts) for key, parts in found.items()}
    targets, of_others = subject.batch.targets, others.batch.targets
    tables = {"interventions": list(_rows(whole, targets, (of_others != IGNORE) & subject.asked))}
    skips = [module for module in model.modules() if isinstance(module, ConcatSkip)]
    if skips:
        tables["interventions_skips"] = [_norms(t, skips[min(t, len(skips)) - 1]) for t in range(1, subject.i + 1)]
    return tables


def stages(model: Model, iterations: int | None = None) -> list[Stage]:
    """The iterations of a model or, where it does not iterate, its blocks."""
    if not model.settings.iterates():
        return [partial(_through, block) for block in model.parts()]
    return [partial(model.iterate, t=t) for t in range(1, (iterations or model.settings.i) + 1)]


def _through(block: nn.Module, state: State) -> State:
    return (block(*state),)


def run(through: Sequence[Stage], state: State) -> list[State]:
    """The state, and what each stage makes of it."""
    found = [state]
    for stage in through:
        found.append(stage(found[-1]))
    return found


@torch.no_grad()
def injected(model: Model, through: Sequence[Stage], tokens: Tensor) -> list[int]:
    """The parts of a state that every iteration reads and passes through as they are: the input, which returns."""
    every = run(through, model.start(tokens))

    def is_read(k: int) -> bool:
        return any(
            not torch.equal(part, part_without)
            for stage, before, after in zip(through, every, every[1:], strict=False)
            for j, (part, part_without) in enumerate(zip(after, stage(cut(before, [k])), strict=True))
            if j != k
        )

    return [k for k, part in enumerate(every[0]) if every[1][k] is part and is_read(k)]


def replaced(state: State, by: State, kept: Collection[int]) -> State:
    """Another state, of which some parts are kept as they were."""
    return tuple(state[k] if k in kept else part for k, part in enumerate(by))


def cut(state: State, parts: Collection[int]) -> State:
    """The state with some parts zero."""
    return tuple(torch.zeros_like(part) if k in parts else part for k, part in enumerate(state))


@torch.no_grad()
def _answers(
    subject: Subject,
    through: Sequence[Stage],
    given: Collection[int],
    shown: Collection[int],
    tokens: Tensor,
    others: Tensor,
    rows: range,
) -> Answers:
    """What the model answers to some rows of the examples after each intervention."""
    model = subject.model
    own, other = (run(through, model.start(each)) for each in (tokens, others))

    def answered(state: State, done: int) -> Tensor:
        return model.answers(model.read(run(through[done:], state)[-1]))

    found = {UNTOUCHED: answered(own[-1], len(through)), OTHERS: answered(other[-1], len(through))}
    for t in shown:
        before = own[t - 1]
        noise = _noise(before, rows, partial(subject.generator, "noise", t))
        for name, by in (("other", other[t - 1]), ("start", own[0]), ("noise", noise)):
            found[name, t] = answered(replaced(before, by, given), t - 1)
        if given:
            found["cut", t] = answered(replaced(before, through[t - 1](cut(before, given)), given), t)
    return found


def _noise(state: State, rows: range, generator: Callable[[int], Generator]) -> State:
    """Normal noise of the same norm at each position, for the parts of a state that are vectors, (B, T, d)."""

    def like(part: Tensor, k: int) -> Tensor:
        drawn = normal_rows(rows, tuple(part.shape[1:]), generator(k)).to(part)
        size: Tensor = part.norm(dim=-1, keepdim=True)
        return size * F.normalize(drawn, dim=-1)

    return tuple(like(part, k) if part.dim() == 3 else part for k, part in enumerate(state))


def _rows(answers: Answers, targets: Tensor, both: Tensor) -> Iterator[Row]:
    """The rows of the first table; `both` are the positions that are asked in the other example as well, (B, T)."""
    asked = targets != IGNORE
    untouched, others = answers.pop(UNTOUCHED), answers.pop(OTHERS)
    unlike = both & (untouched != others)

    def share(of: Tensor, among: Tensor) -> float:
        return of[among].double().mean().item()

    for (name, t), found in answers.items():
        yield {
            "intervention": name,
            "t": t,
            "accuracy": share(found == targets, asked),
            "untouched": share(untouched == targets, asked),
            "changed": share(found != untouched, asked),
            "followed": share(found == others, unlike) if name == "other" else None,
        }


def _norms(t: int, skip: ConcatSkip) -> Row:
    of_z, of_e = skip.weight.detach().cpu().double().chunk(2, dim=1)
    return {"t": t, "z": of_z.norm().item(), "e": of_e.norm().item()}
