"""Runs in the results of a study that no plan contains any more, and copies of code that none names."""

from pathlib import Path

from asura.common.files import read_json
from asura.planning.parts import planned_folders
from asura.planning.plan import load
from asura.planning.plugins import FOLDER


def unplanned_runs(study: Path) -> list[Path]:
    """Folders of runs that neither the plan of the study nor that of one of its ablations contains.

    Raises UserError where the study has no plan, or a plan is damaged.
    """
    plans = [load(folder / "plan.json") for folder in planned_folders(study)]
    planned = {study / run for plan in plans for run in plan.runs}
    return sorted({path.parent for path in study.glob("runs/*/*/seed*/run.json")} - planned)


def unused_plugins(study: Path) -> list[Path]:
    """Folders of copies of plugins that neither the study nor one of its ablations names.

    Raises UserError where the study has no plan.
    """
    studies = [read_json(folder / "study.json") for folder in planned_folders(study)]
    named = {(study / place).parent for config in studies for place in config.get("plugins", [])}
    return sorted({path.parent for path in study.glob(f"{FOLDER}/*/*.py")} - named)
