"""What each model of an ablation is compared with."""

import json
from collections.abc import Mapping

from asura.common.errors import UserError
from asura.common.validation import nearest
from asura.planning.variants import Variant

BY_PLACE = ("first", "previous")
"""What the models of an ablation may be compared with, other than by a setting."""


def compared_with(variants: Mapping[tuple[str, str], Variant], against: str) -> dict[tuple[str, str], str]:
    """The label of the model that each model of an ablation is compared with, by task and label. Raises UserError."""
    settings = {
        key: {**variant.model.model_dump(mode="json"), **variant.training.model_dump(mode="json")}
        for key, variant in variants.items()
    }
    allowed = {name for own in settings.values() for name in own}.union(BY_PLACE)
    if against not in allowed:
        raise UserError(f"against: no such setting{nearest(against, allowed)}")
    found: dict[tuple[str, str], str] = {}
    others: dict[str, str] = {}
    for (task, label), own in settings.items():
        if against not in own and against not in BY_PLACE:
            continue
        equal = {} if against in BY_PLACE else {name: value for name, value in own.items() if name != against}
        group = json.dumps([task, equal])
        if group in others:
            found[task, label] = others[group]
        if group not in others or against == "previous":
            others[group] = label
    if against not in BY_PLACE and not found:
        raise UserError(f"against: found {against!r}; no two models differ in it alone")
    return found
