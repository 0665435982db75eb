"""The folders of a study's results that have plans: its own, its trials, and its ablations."""

from pathlib import Path

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.planning.ablations import has_settings_of, listed_ablations
from asura.planning.outputs import TUNING
from asura.planning.plan import load


def planned_folders(study: Path) -> list[Path]:
    """The folders of the plans of a study, its trials and its ablations. Raises UserError where it has no plan.

    What is left of an earlier study is none of them: trials of one that is no longer tuned, and ablations that it does
    not list and that have other settings.
    """
    return [folder for folder, is_now in _parts(study).items() if is_now]


def ablation_folders(study: Path) -> list[Path]:
    """Those of them that are of ablations. Raises UserError where it has no plan."""
    return [folder for folder in planned_folders(study) if folder.parent.name == "ablations"]


def left_folders(study: Path) -> list[Path]:
    """The folders of plans of an earlier study. Raises UserError where it has no plan."""
    return [folder for folder, is_now in _parts(study).items() if not is_now]


def _parts(study: Path) -> dict[Path, bool]:
    """The folders that have a plan, and whether it is of the study as it is now."""
    if not (study / "plan.json").is_file():
        raise UserError(f"{study}: it has no plan.json; give the results of a study, as in results/NAME")
    found = {study: True}
    if (study / TUNING / "plan.json").is_file():
        found[study / TUNING] = bool(load(study / "plan.json").trials)
    ablations = sorted(path.parent for path in study.glob("ablations/*/plan.json"))
    config = read_json(study / "study.json") if ablations else {}
    listed = listed_ablations(config)
    for folder in ablations:
        is_listed = folder.name in listed
        found[folder] = is_listed or has_settings_of(config, read_json(folder / "study.json"))
    return found
