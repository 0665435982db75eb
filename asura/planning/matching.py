"""Matched controls: the models that equal a recursive cell in one cost or another."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from asura.common.errors import UserError
from asura.common.validation import checked
from asura.models.bare import BareSettings
from asura.models.settings import Architecture, Recursive
from asura.models.vanilla import VanillaSettings
from asura.planning.control_settings import TOLERANCE, Control, training_changes
from asura.planning.costs import Cost, cost, embedding_parameters, parameters_alone
from asura.planning.factories import training_of
from asura.planning.grid import differences
from asura.planning.study import Study
from asura.planning.training_settings import Training
from asura.planning.variants import Variant
from asura.tasks import Task

OF_BLOCKS = set(Architecture.model_fields) - {"architecture", "n", "i", "mlp_width"}
"""Settings of every architecture that a control has in common with its cell, where the study says them of the cell."""

OF_TRAINING = set(Recursive.model_fields) - set(Architecture.model_fields)
"""Settings of how training uses the iterations."""


class Match(NamedTuple):
    """A control of a cell, and by what fraction it misses its target."""

    control: Control
    variant: Variant
    deviation: float


def cost_of(variant: Variant) -> Cost:
    """Cost of a variant on its task."""
    return _on(variant.task.task, variant.model)


def costs_of(variant: Variant) -> dict[str, Any]:
    """What a variant costs, for its row in the plan."""
    task, tokens = variant.task.task, variant.run(0).tokens
    parameters, flops, inference_flops = cost_of(variant)
    return {
        "parameters": parameters,
        "total_parameters": parameters + embedding_parameters(variant.model, task.vocabulary),
        "flops_per_token": flops / task.sequence_length,
        "inference_flops_per_token": inference_flops / task.sequence_length,
        "training_flops": flops / task.sequence_length * tokens,
        "tokens": tokens,
    }


def _on(task: Task, model: Architecture) -> Cost:
    return cost(model, task.vocabulary, task.sequence_length)


def controls(study: Study, cell: Variant) -> Iterator[Match]:
    """The controls that the study asks for of one cell. Raises UserError where one cannot be matched."""
    asked = training_changes(study.controls)
    for control, changes in asked.items() if cell.model.iterates() else ():
        model = _model(control, study, cell)
        if model == cell.model:  # bare recursion is its own iso_recursion
            continue
        training = _training(control, cell, model, changes)
        start = None
        if cell.start:
            start = study.variant(cell.start.task, model, _training(control, cell.start, model, {}), cell.resources)
        variant = study.variant(cell.task, model, training, cell.resources, start)
        deviation = _deviation(control, variant, cell)
        if abs(deviation) > TOLERANCE:
            raise UserError(
                f"controls: no {control} of {cell.label} on {cell.task.name} can be matched: the nearest, "
                f"{variant.label}, is {deviation:+.2%} from its target; at most {TOLERANCE:.2%} is allowed, "
                "so choose a larger width, train for more steps, or leave this control out"
            )
        yield Match(control, variant, deviation)


def _model(control: Control, study: Study, cell: Variant) -> Architecture:
    model, of_blocks = cell.model, _of_blocks(study, cell)
    match control:
        case "iso_recursion":
            return _bare(cell, of_blocks)
        case "iso_flop":
            return _vanilla(cell, {"n": _depth_paid_for(cell, of_blocks), **of_blocks}, "flops")
        case "iso_param_depth":
            return _narrower(cell, {"n": model.effective_depth, **of_blocks})
        case "iso_param" | "iso_both":
            return _vanilla(cell, {"n": model.distinct_blocks, **of_blocks}, "parameters")


def _training(control: Control, cell: Variant, model: Architecture, changes: Mapping[str, Any]) -> Training:
    """The cell's training with the control's changes; of `iso_both`, for as many steps as the cell's FLOPs allow."""
    training = training_of({**cell.training.model_dump(), **changes}, f"controls.{control}.training")
    if control != "iso_both":
        return training
    flops = cell.training.steps * cell.training.batch * cost_of(cell).flops
    steps = max(1, round(flops / training.batch / cost_of(cell._replace(model=model)).flops))
    return training.model_copy(update={"steps": steps, "warmup_steps": min(training.warmup_steps, steps)})


def _of_blocks(study: Study, cell: Variant) -> dict[str, Any]:
    """What the study says of the cell's blocks; a default of the cell's architecture is none of its control's."""
    kind = type(cell.model)
    said = differences(cell.model, study.preset(cell.task, kind, cell.model))
    return {key: value for key, value in {**study.shared(cell.task), **said}.items() if key in OF_BLOCKS}


def _bare(cell: Variant, of_blocks: Mapping[str, Any]) -> BareSettings:
    """Bare recursion with the cell's rule of training, each pass of the cell through its blocks an iteration."""
    assert isinstance(cell.model, Recursive)
    own, passes = cell.model.model_dump(include={"n", "i", "mlp_width", *OF_TRAINING}), cell.model.passes
    own |= {key: own[key] * passes for key in ("i", "backpropagate") if own[key] is not None}
    return checked(BareSettings, {**own, **of_blocks}, f"controls: the bare recursion of {cell.label}")


def _depth_paid_for(cell: Variant, of_blocks: Mapping[str, Any]) -> int:
    """The cell's effective depth, or as many blocks as its FLOPs pay for where a step trains much less than that."""
    depth, blocks = cell.model.effective_depth, {"mlp_width": cell.model.mlp_width, **of_blocks}

    def flops(model: Architecture) -> int:
        return _on(cell.task.matched_on, model).flops

    target = flops(cell.model)
    if flops(_stack(cell, {**of_blocks, "n": depth, "mlp_width": 1})) <= target:
        return depth
    one, two = (flops(_stack(cell, {**blocks, "n": n})) for n in (1, 2))
    return max(1, round(1 + (target - one) / (two - one)))


def _stack(cell: Variant, settings: Mapping[str, Any]) -> VanillaSettings:
    return checked(VanillaSettings, settings, f"controls: the vanilla stack of {cell.label}")


def _vanilla(cell: Variant, settings: dict[str, Any], quantity: Literal["parameters", "flops"]) -> VanillaSettings:
    """The vanilla stack of these settings whose MLP width makes the quantity that of the cell."""

    def at(mlp_width: int | None) -> VanillaSettings:
        return _stack(cell, {**settings, "mlp_width": mlp_width})

    models = (at(1), at(2), cell.model)
    one, two, target = (getattr(_on(cell.task.matched_on, model), quantity) for model in models)
    mlp_width = max(1, round(1 + (target - one) / (two - one)))
    is_usual = cell.model.mlp_width is None and mlp_width == 4 * settings["width"]
    return at(None if is_usual else mlp_width)


def _narrower(cell: Variant, settings: dict[str, Any]) -> VanillaSettings:
    """The vanilla stack of these settings with the cell's parameters, its MLP as wide for its width as the cell's."""
    model = cell.model
    target = cost_of(cell).parameters
    widths = range(2 * model.heads, model.width + 1, 2 * model.heads)

    def parameters(width: int) -> int:
        mlp_width = max(1, round((model.mlp_width or 4 * model.width) * width / model.width))
        return parameters_alone(_stack(cell, {**settings, "width": width, "mlp_width": mlp_width}))

    above = bisect_left(widths, target, key=parameters)
    nearest = min(widths[max(0, above - 1) : above + 1], key=lambda width: abs(parameters(width) - target))
    return _vanilla(cell, {**settings, "width": nearest}, "parameters")


def _deviation(control: Control, variant: Variant, cell: Variant) -> float:
    """Of all that must be equal, the signed fraction by which the farthest is off."""
    own, target = cost_of(variant), cost_of(cell)
    sequences, target_sequences = (v.training.steps * v.training.batch for v in (variant, cell))
    parameters = own.parameters / target.parameters - 1
    flops = _on(cell.task.matched_on, variant.model).flops / _on(cell.task.matched_on, cell.model).flops - 1
    total_flops = own.flops * sequences / (target.flops * target_sequences) - 1
    passes, target_passes = (m.i * m.passes if isinstance(m, Recursive) else 1 for m in (variant.model, cell.model))
    off = {
        "iso_param": [parameters],
        "iso_flop": [flops],
        "iso_both": [parameters, total_flops],
        "iso_param_depth": [parameters],
        "iso_recursion": [variant.model.n / cell.model.n - 1, passes / target_passes - 1],
    }
    return max(off[control], key=abs)
