"""Runs in the results of a study that no plan contains any more."""

from pathlib import Path

from asura.common.errors import UserError
from asura.planning.plan import load


def unplanned_runs(study: Path) -> list[Path]:
    """Folders of runs that neither the plan of the study nor that of one of its ablations contains.

    Raises UserError where the study has no plan, or a plan is damaged.
    """
    if not (study / "plan.json").is_file():
        raise UserError(f"{study}: it has no plan.json; give the results of a study, as in results/NAME")
    plans = [load(path) for path in [study / "plan.json", *study.glob("ablations/*/plan.json")]]
    planned = {study / run for plan in plans for run in plan.runs}
    return sorted({path.parent for path in study.glob("runs/*/*/seed*/run.json")} - planned)
