"""The matched controls that a study, or an ablation, asks for."""

from typing import Annotated, Any, Literal

from pydantic import Field

from asura.common.errors import UserError
from asura.common.validation import Settings, nearest
from asura.planning.study_settings import EACH_ONCE
from asura.planning.training_settings import Training

TOLERANCE = 0.02
"""How far a control may be from its target, as a fraction of it. Costs that are no farther apart count as equal."""

Control = Literal["iso_param", "iso_flop", "iso_both", "iso_param_depth", "iso_recursion"]


class ControlEntry(Settings):
    """Settings of a matched control."""

    training: dict[str, Any] = Field({})
    """Settings of training of this control. They replace those of its cell. `start_from` is always that of the cell,
    and so are, for `iso_both`, the total FLOPs, from which its `steps` follow."""


Controls = Annotated[list[Control], Field(json_schema_extra=EACH_ONCE)] | dict[Control, ControlEntry]
"""Names of controls, or settings by name."""


def training_changes(controls: Controls) -> dict[Control, dict[str, Any]]:
    """What a study says of the training of each control that it asks for. Raises UserError."""
    if isinstance(controls, list):
        return {control: {} for control in controls}
    for control, entry in controls.items():
        for key in entry.training:
            where = f"controls.{control}.training.{key}"
            if key not in Training.model_fields:
                raise UserError(f"{where}: no such key{nearest(key, Training.model_fields)}")
            if key == "start_from":
                raise UserError(f"{where}: a control starts from what its cell starts from; leave this key out")
            if (control, key) == ("iso_both", "steps"):
                raise UserError(f"{where}: its steps follow from the FLOPs of its cell; leave this key out")
    return {control: entry.training for control, entry in controls.items()}
