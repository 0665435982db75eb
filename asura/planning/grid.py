"""Settings given as lists, multiplied out, and how the models that they make are told apart."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from pydantic import BaseModel

from asura.common.errors import UserError

OF_NUMBERS = ("guidance", "betas")
"""Settings of which a list of numbers is one value."""


def grid(entry: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Multiply out the settings that are given as lists."""
    axes: dict[str, list[Any]] = {}
    for key, value in entry.items():
        is_axis = isinstance(value, list) and not (key in OF_NUMBERS and all(isinstance(v, float | int) for v in value))
        axes[key] = value if is_axis else [value]
        if not axes[key]:
            raise UserError(f"{where}.{key}: an empty list makes an empty grid; name at least one value")
        if any(axes[key].count(v) > 1 for v in axes[key]):
            raise UserError(f"{where}.{key}: a value stands there twice, so two models would have one label")
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def differences(one: BaseModel, other: BaseModel) -> dict[str, Any]:
    """What `one` says otherwise than `other`."""
    usual = other.model_dump(warnings=False)
    return {key: value for key, value in one.model_dump().items() if value != usual[key]}


def plain(value: Any) -> str:
    """A setting's value as part of a folder's name."""
    if isinstance(value, dict):
        return plain([re.sub(r"[^\w.+-]", "-", f"{key}-{plain(inner)}") for key, inner in value.items()])
    return ",".join(map(plain, value)) if isinstance(value, tuple | list) else str(value).lower()
