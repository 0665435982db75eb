"""Matched controls: what a model costs, and the models that equal an ASURA cell in one cost or another.

Parameters are counted on the built modules, without the embedding and the head, which all models of a width share.
FLOPs are those of one forward and backward pass, by torch's own counter.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from asura.common.errors import UserError
from asura.common.validation import checked
from asura.models import build
from asura.models.model import LONGEST, SIGMA, Model, Unrolling
from asura.models.settings import Architecture, Recursive
from asura.models.universal import UniversalSettings
from asura.models.vanilla import VanillaSettings
from asura.planning.study import Control, Study, Variant
from asura.planning.training_settings import Training
from asura.tasks import Task

TOLERANCE = 0.02
"""How far a control may be from its target, as a fraction of it."""


class Cost(NamedTuple):
    """Non-embedding parameters, and FLOPs of training on one sequence."""

    parameters: int
    flops: int


class Match(NamedTuple):
    """A control of a cell, and by what fraction it misses its target."""

    control: Control
    variant: Variant
    deviation: float


def counted(settings: Architecture, vocabulary: int, length: int) -> Cost:
    """Build the model without weights, and count it. Raises UserError where torch cannot even number its weights."""
    parameters, flops = _counted(settings, vocabulary, length)
    return Cost(parameters, round(flops))


@lru_cache(maxsize=4096)
def _counted(settings: Architecture, vocabulary: int, length: int) -> tuple[int, float]:
    """Parameters, and FLOPs of the mean step, which are no whole number where steps are drawn."""
    tokens = torch.zeros(1, length, dtype=torch.int64, device="meta")
    try:
        model = build(settings, vocabulary, device="meta")
        shared = [part.weight for part in (model.embedding, model.head, model.positions) if part]
        parameters = sum(p.numel() for p in model.parameters()) - sum(weight.numel() for weight in shared)
        return parameters, sum(flops * share for flops, share in _passes(model, tokens))
    except RuntimeError as error:
        size = f"width {settings.width} on {vocabulary} tokens in sequences of {length}"
        raise UserError(f"models.{settings.architecture}: {size} is too large ({error})") from None


def _passes(model: Model, tokens: Tensor) -> Iterator[tuple[int, float]]:
    """FLOPs of passes through the model, and how often the mean step of training takes each.

    Cost is linear in the iterations without gradient and in those with it, so where they are drawn, passes give the
    mean. Of drawn iterations, fewer have a gradient in the mean than of as many fixed ones. The progressive loss draws
    n' ~ U{0..i-1}, whose mean is (i - 1) / 2, and k ~ U{1..i-n'}, whose mean is (i + 3) / 4.
    """
    settings = model.settings
    progressive = settings.progressive if isinstance(settings, Recursive) else 0.0
    if progressive < 1:
        (plain,) = model.unrollings()
        fewer = 0.0
        if isinstance(settings, Recursive) and settings.drawn and settings.backpropagate:
            with_gradient = plain.iterations - plain.without_gradient
            fewer = with_gradient - mean_with_gradient(settings.i, settings.backpropagate)
        yield _flops(model, tokens, plain), 1.0 - fewer
        if fewer:
            one_less = Unrolling(1.0, plain.iterations, plain.without_gradient + 1)
            yield _flops(model, tokens, one_less), fewer
    if progressive > 0:
        before, after = (settings.i - 1) / 2, (settings.i + 3) / 4
        yield _flops(model, tokens, Unrolling(1.0, 1, 0)), 1 - before - (after - 1)
        yield _flops(model, tokens, Unrolling(1.0, 2, 1)), before
        yield _flops(model, tokens, Unrolling(1.0, 2, 0)), after - 1


def mean_with_gradient(mean: int, most: int) -> float:
    """E[min(r, most)] of r iterations drawn with this mean (`draw_iterations`), by Gauss-Hermite quadrature."""
    from scipy.stats import poisson

    points, weights = np.polynomial.hermite_e.hermegauss(64)
    rates = (mean - 1) * np.exp(SIGMA * points - SIGMA**2 / 2)
    more = poisson.sf(np.arange(most - 1)[:, None], rates)  # of one more than a Poisson number
    return float(1 + (more.sum(0) * weights).sum() / weights.sum())


def _flops(model: Model, tokens: Tensor, unrolling: Unrolling) -> int:
    with FlopCounterMode(display=False) as counter:
        model.loss_of(unrolling, tokens, tokens, recompute=False).loss.backward()
    total: int = counter.get_total_flops()
    return total


def embedding_parameters(settings: Architecture, vocabulary: int) -> int:
    """Parameters of embedding, head and learned positions, which no comparison counts."""
    return settings.width * (2 * vocabulary + (LONGEST if settings.positions == "learned" else 0))


def cost(settings: Architecture, vocabulary: int, length: int) -> Cost:
    """The same, without building large models.

    Both costs grow by the same amount with each block, with each iteration, and in a stack without iterations with
    each unit of MLP width; so they are counted where those are 1 and 2, and extended. The tests hold this to
    `counted` for every architecture.
    """
    sizes = {"n": settings.n}
    if not settings.iterates():
        sizes["mlp_width"] = settings.mlp_width or 4 * settings.width
    elif settings.cost_is_even and _resized(settings, {"i": 1}) and _resized(settings, {"i": 2}):
        sizes["i"] = settings.i
    parameters, flops = 0, 0.0
    for corner in product((1, 2), repeat=len(sizes)):
        share = 1
        for at, size in zip(corner, sizes.values(), strict=True):
            share *= size - 1 if at == 2 else 2 - size
        if share:
            small = _resized(settings, dict(zip(sizes, corner, strict=True)))
            assert small is not None
            own = _counted(small, vocabulary, length)
            parameters, flops = parameters + share * own[0], flops + share * own[1]
    return Cost(parameters, round(flops))


def _resized(settings: Architecture, sizes: dict[str, int]) -> Architecture | None:
    """The settings at another size; None where another setting, as explicit guidance, is bound to this one."""
    try:
        return type(settings).model_validate({**settings.model_dump(), **sizes})
    except ValidationError:
        return None


def cost_of(variant: Variant) -> Cost:
    """Cost of a variant on its task."""
    return _on(variant.task.task, variant.model)


def _on(task: Task, model: Architecture) -> Cost:
    return cost(model, task.vocabulary, task.sequence_length)


def controls(study: Study, cell: Variant) -> Iterator[Match]:
    """The controls that the study asks for of one cell. Raises UserError where one cannot be matched."""
    for control in study.controls if cell.model.iterates() else []:
        model, training = _control(control, cell)
        start = cell.start and study.variant(cell.start.task, *_control(control, cell.start), cell.resources)
        variant = study.variant(cell.task, model, training, cell.resources, start)
        if variant.label == cell.label:  # a cell of universal is its own iso_recursion
            continue
        deviation = _deviation(control, variant, cell)
        if abs(deviation) > TOLERANCE:
            raise UserError(
                f"controls: no {control} of {cell.label} on {cell.task.name} can be matched: the nearest, "
                f"{variant.label}, is {deviation:+.2%} from its target; at most {TOLERANCE:.2%} is allowed, "
                "so choose a larger width, train for more steps, or leave this control out"
            )
        yield Match(control, variant, deviation)


def _control(control: Control, cell: Variant) -> tuple[Architecture, Training]:
    model, training = cell.model, cell.training
    if control == "iso_recursion":
        own = {"n", "i", "mlp_width", "drawn", "backpropagate", "progressive"}
        return UniversalSettings(**model.model_dump(include=own), **_shape(model)), training
    if control == "iso_flop":
        return _vanilla(cell, model.effective_depth, "flops"), training
    same_parameters = _vanilla(cell, model.n, "parameters")
    if control == "iso_both":
        ratio = cost_of(cell).flops / cost_of(cell._replace(model=same_parameters)).flops
        steps = max(1, round(training.steps * ratio))
        training = training.model_copy(update={"steps": steps, "warmup_steps": min(training.warmup_steps, steps)})
    return same_parameters, training


def _shape(model: Architecture) -> dict[str, Any]:
    return {"width": model.width, "heads": model.heads, "causal": model.causal, "positions": model.positions}


def _vanilla(cell: Variant, n: int, quantity: Literal["parameters", "flops"]) -> VanillaSettings:
    """The vanilla stack of n blocks whose MLP width makes the quantity that of the cell."""

    def at(mlp_width: int | None) -> VanillaSettings:
        settings = {"n": n, "mlp_width": mlp_width, **_shape(cell.model)}
        return checked(VanillaSettings, settings, f"controls: the vanilla stack of {cell.label}")

    models = (at(1), at(2), cell.model)
    one, two, target = (getattr(_on(cell.task.matched_on, model), quantity) for model in models)
    mlp_width = max(1, round(1 + (target - one) / (two - one)))
    usual = cell.model.mlp_width
    return at(usual if mlp_width == (usual or 4 * cell.model.width) else mlp_width)


def _deviation(control: Control, variant: Variant, cell: Variant) -> float:
    """Of all that must be equal, the signed fraction by which the farthest is off."""
    own, target = cost_of(variant), cost_of(cell)
    sequences, target_sequences = (v.training.steps * v.training.batch for v in (variant, cell))
    parameters = own.parameters / target.parameters - 1
    flops = _on(cell.task.matched_on, variant.model).flops / _on(cell.task.matched_on, cell.model).flops - 1
    total_flops = own.flops * sequences / (target.flops * target_sequences) - 1
    off = {
        "iso_param": [parameters],
        "iso_flop": [flops],
        "iso_both": [parameters, total_flops],
        "iso_recursion": [variant.model.n / cell.model.n - 1, variant.model.i / cell.model.i - 1],
    }
    return max(off[control], key=abs)
