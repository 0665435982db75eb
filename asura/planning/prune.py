"""Runs in the results of a study that no plan contains any more."""

from pathlib import Path

from asura.planning.plan import load, planned_folders


def unplanned_runs(study: Path) -> list[Path]:
    """Folders of runs that neither the plan of the study nor that of one of its ablations contains.

    Raises UserError where the study has no plan, or a plan is damaged.
    """
    plans = [load(folder / "plan.json") for folder in planned_folders(study)]
    planned = {study / run for plan in plans for run in plan.runs}
    return sorted({path.parent for path in study.glob("runs/*/*/seed*/run.json")} - planned)
