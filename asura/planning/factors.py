"""The factors of an ablation: settings whose every combination of values is one of its models."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from asura.common.errors import UserError

Levels = Mapping[str, Sequence[str]]
"""Values of each factor; the first is the reference, which labels do not name."""


def combination_of(label: str, factors: Levels) -> tuple[str, ...]:
    """The value of each factor in a model, by its label."""
    said = dict(part.split("=", 1) for part in label.split("+")[1:])
    return tuple(said.get(name, str(levels[0])) for name, levels in factors.items())


def check_factors(labels: Iterable[str], factors: Levels) -> None:
    """Raise UserError unless each combination of values is one of the models, and each model one of these."""
    models: dict[tuple[str, ...], str] = {}
    combinations = list(product(*factors.values()))
    for label in labels:
        combination = combination_of(label, factors)
        if combination not in combinations:
            raise UserError(f"factors: {label} has {_said(combination)}, which is not among their values")
        if combination in models:
            raise UserError(
                f"factors: {models[combination]} and {label} both have {_said(combination)}; with factors, models "
                "differ in these settings alone, and have no controls"
            )
        models[combination] = label
    for combination in combinations:
        if combination not in models:
            raise UserError(f"factors: no model has {_said(combination)}; name every combination")


def _said(combination: Iterable[str]) -> str:
    return " and ".join(combination)
