"""What a model costs, in parameters and FLOPs.

Parameters are counted on the built modules, without the embedding and the head, which all models of a width share.
FLOPs are counted by torch: those of training on a forward and a backward pass, those of inference on a forward pass.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from asura.common.errors import UserError
from asura.common.registry import is_shipped
from asura.models import build
from asura.models.model import LONGEST, Model
from asura.models.settings import Architecture, Recursive
from asura.models.unrolling import SIGMA, Unrolling


class Cost(NamedTuple):
    """Non-embedding parameters, FLOPs of training on one sequence, and FLOPs of inference on one sequence."""

    parameters: int
    flops: int
    inference_flops: int


def counted(settings: Architecture, vocabulary: int, length: int) -> Cost:
    """Build the model without weights, and count it. Raises UserError where torch cannot even number its weights."""
    flops, inference_flops = (_flops(what, settings, vocabulary, length) for what in (training_flops, forward_flops))
    return Cost(_parameters(build(settings, vocabulary, device="meta")), round(flops), round(inference_flops))


def _flops(what: Callable[[Model, Tensor], float], settings: Architecture, vocabulary: int, length: int) -> float:
    """FLOPs of what a model does with a sequence, counted once."""
    return _flops_once(what, type(settings), settings.model_dump_json(), vocabulary, length)


@lru_cache(maxsize=8192)
def _flops_once(
    what: Callable[[Model, Tensor], float], kind: type[Architecture], said: str, vocabulary: int, length: int
) -> float:
    """By what settings say, since those of one's own may be a mapping, which is no key of a cache."""
    settings = kind.model_validate_json(said)
    try:
        model = build(settings, vocabulary, device="meta")
        return what(model, torch.zeros(1, length, dtype=torch.int64, device="meta"))
    except RuntimeError as error:
        size = f"width {settings.width} on {vocabulary} tokens in sequences of {length}"
        raise UserError(f"models.{settings.architecture}: {size} is too large ({error})") from None


def _parameters(model: Model) -> int:
    apart = [part for part in (model.embedding, model.head, model.positions) if part]
    return _size(model) - sum(map(_size, apart))


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def training_flops(model: Model, tokens: Tensor) -> float:
    """FLOPs of the mean step of training on tokens, both on `meta`: no whole number where steps are drawn."""
    return sum(flops * share for flops, share in _passes(model, tokens))


def _passes(model: Model, tokens: Tensor) -> Iterator[tuple[int, float]]:
    """FLOPs of passes through the model, and how often the mean step of training takes each.

    The progressive loss draws n' ~ U{0..i-1}, whose mean is (i - 1) / 2, and k ~ U{1..i-n'}, whose mean is (i + 3) / 4.
    Of drawn iterations, fewer have a gradient in the mean than of as many fixed ones.
    """
    settings = model.settings
    if not isinstance(settings, Recursive):
        yield _flops_of(model, tokens, Unrolling(1.0, settings.i)), 1.0
        return
    if settings.progressive < 1:
        if settings.growing or settings.drawn:
            yield from _mean_pass(model, tokens, *_mean_iterations(settings))
        else:
            (plain,) = model.unrollings()
            yield _flops_of(model, tokens, plain), 1.0
    if settings.progressive > 0:
        with_gradient = (settings.i + 3) / 4
        yield from _mean_pass(model, tokens, with_gradient, (settings.i - 1) / 2 + with_gradient)


def _mean_iterations(settings: Recursive) -> tuple[float, float]:
    """Mean iterations of a step with gradient, and of all, where they grow or are drawn."""
    cut, i = settings.backpropagate, settings.i
    shares = {k: settings.growing / i for k in range(1, i + 1)} if settings.growing else {}
    shares[i] = shares.get(i, 0.0) + 1 - settings.growing

    def mean(k: int) -> int:
        return settings.drawn_mean(k) if settings.drawn else k

    def with_gradient(k: int) -> float:
        if cut is None:
            return mean(k)
        return mean_with_gradient(mean(k), cut) if settings.drawn else min(k, cut)

    return sum(part * with_gradient(k) for k, part in shares.items()), sum(part * mean(k) for k, part in shares.items())


def _mean_pass(model: Model, tokens: Tensor, with_gradient: float, iterations: float) -> Iterator[tuple[int, float]]:
    """FLOPs of short passes and their shares in one of these mean numbers of iterations: cost is linear in both."""
    before, after = iterations - with_gradient, with_gradient - 1
    yield _flops_of(model, tokens, Unrolling(1.0, 1)), 1 - before - after
    yield _flops_of(model, tokens, Unrolling(1.0, 2, 1)), before
    yield _flops_of(model, tokens, Unrolling(1.0, 2)), after


def mean_with_gradient(mean: int, most: int) -> float:
    """E[min(r, most)] of r iterations drawn with this mean (`draw_iterations`), by Gauss-Hermite quadrature."""
    from scipy.stats import poisson

    points, weights = np.polynomial.hermite_e.hermegauss(64)
    rates = (mean - 1) * np.exp(SIGMA * points - SIGMA**2 / 2)
    more = poisson.sf(np.arange(most - 1)[:, None], rates)  # of one more than a Poisson number
    return float(1 + (more.sum(0) * weights).sum() / weights.sum())


def _flops_of(model: Model, tokens: Tensor, unrolling: Unrolling) -> int:
    """FLOPs of one pass in training, forwards and backwards."""
    return count_flops(lambda: model.loss_of(unrolling, tokens, tokens, recompute=False).loss.backward())


def forward_flops(model: Model, tokens: Tensor, iterations: int | None = None) -> int:
    """FLOPs of inference on tokens; both on `meta`, since the attention of a CPU is not counted."""
    with torch.no_grad():
        return count_flops(partial(model, tokens, iterations))


def count_flops(compute: Callable[[], object]) -> int:
    """FLOPs of what is computed on `meta`."""
    with FlopCounterMode(display=False) as counter:
        compute()
    total: int = counter.get_total_flops()
    return total


def embedding_parameters(settings: Architecture, vocabulary: int) -> int:
    """Parameters of embedding, head and learned positions, which no comparison counts."""
    positions = LONGEST if settings.positions == "learned" else 0
    return settings.width * (2 * vocabulary + positions) + settings.bias * vocabulary


def cost(settings: Architecture, vocabulary: int, length: int) -> Cost:
    """The same, without building large models.

    All costs grow by the same amount with each block, with each iteration, and in a stack without iterations with
    each unit of MLP width; so they are counted where those are 1 and 2, and extended. The tests hold this to
    `counted` for every architecture of this package. One of one's own may grow otherwise, and is built as it is.
    """
    if not is_shipped(type(settings).__module__):
        return counted(settings, vocabulary, length)
    flops, inference_flops = (
        sum(share * _flops(what, small, vocabulary, length) for share, small in corners(settings))
        for what, corners in ((training_flops, _corners_of_a_step), (forward_flops, _corners))
    )
    return Cost(parameters_alone(settings), round(flops), round(inference_flops))


def parameters_alone(settings: Architecture) -> int:
    """Non-embedding parameters, which are known much sooner than FLOPs."""
    return _parameters_once(type(settings), settings.model_dump_json())


@lru_cache(maxsize=4096)
def _parameters_once(kind: type[Architecture], said: str) -> int:
    settings = kind.model_validate_json(said)
    return sum(share * _parameters(build(small, 1, device="meta")) for share, small in _corners(settings))


Corners = list[tuple[int, Architecture]]
"""Small models, and how many times the cost of each is part of the cost of a large one."""


def _corners(settings: Architecture) -> Corners:
    """For parameters and inference, which do not depend on how the iterations are trained."""
    if not isinstance(settings, Recursive):
        return _of_a_stack(settings)
    plain = _with(settings, {name: Recursive.model_fields[name].default for name in Recursive.__annotations__})
    return _of_iterations(plain or settings, [1, settings.even_from])


def _corners_of_a_step(settings: Architecture) -> Corners:
    """For the FLOPs of training, which are those of a step of deep supervision."""
    if not isinstance(settings, Recursive):
        return _of_a_stack(settings)
    step = _with(settings, {"i": settings.i // settings.deep_supervision, "deep_supervision": 1})
    return _of_iterations(step or settings, [settings.even_from])


def _of_a_stack(settings: Architecture) -> Corners:
    corners = _extended(settings, {"n": (settings.n, 1), "mlp_width": (settings.mlp_width or 4 * settings.width, 1)})
    assert corners
    return corners


def _of_iterations(settings: Architecture, firsts: Iterable[int | None]) -> Corners:
    """Costs grow evenly with i from the first of these numbers that the settings allow; else those of all i count."""
    sizes = {"n": (settings.n, 1)}
    for first in filter(None, firsts):
        if corners := _extended(settings, sizes | {"i": (settings.i, first)}):
            return corners
    corners = _extended(settings, sizes)
    assert corners
    return corners


def _extended(settings: Architecture, sizes: Mapping[str, tuple[int, int]]) -> Corners | None:
    """See `Corners`; None where another setting, as explicit guidance, is bound to the size that this one has.

    sizes: of each, what it is and from where on costs grow evenly with it.
    """
    found = []
    for above in product((0, 1), repeat=len(sizes)):
        share, corner = 1, {}
        for is_above, (name, (size, first)) in zip(above, sizes.items(), strict=True):
            share *= size - first if is_above else 1 + first - size
            corner[name] = first + is_above
        if share:
            small = _with(settings, corner)
            if small is None:
                return None
            found.append((share, small))
    return found


def _with(settings: Architecture, changes: Mapping[str, Any]) -> Architecture | None:
    """The settings with others; None where they do not fit."""
    try:
        return type(settings).model_validate({**settings.model_dump(), **changes})
    except ValidationError:
        return None
