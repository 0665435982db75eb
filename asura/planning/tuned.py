"""What tuning has chosen for a run: settings of training that stand in a file of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asura.common.files import read_sealed
from asura.common.validation import checked
from asura.planning.training_settings import Training


def as_tuned(run: Mapping[str, Any], study: Path) -> Mapping[str, Any] | None:
    """The content of run.json with the settings that were chosen for it; None where none have been chosen yet.

    Raises UserError where the choice is damaged, or does not fit the settings that the run has now.
    """
    if not run.get("tuned"):
        return run
    path = study / run["tuned"]
    if not path.is_file():
        return None
    training = checked(Training, {**run["training"], **read_sealed(path)["settings"]}, str(path))
    return {key: value for key, value in run.items() if key != "tuned"} | {"training": training.stated()}


def runs_as_tuned(runs: Mapping[str, Mapping[str, Any]], study: Path) -> dict[str, Any]:
    """The runs of a plan with the settings that were chosen for them; as planned, where none have been yet."""
    return {name: as_tuned(run, study) or run for name, run in runs.items()}
