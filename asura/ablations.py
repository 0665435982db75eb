"""The plan of an ablation: the models that its file names, at the study's `ablated` size."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from asura.errors import UserError
from asura.planning import Plan, digest, keep, kept, make
from asura.validation import in_file, nearest

ABOUT = ("against", "controls", "tasks")
"""What an ablation says beside the settings of its architectures."""


def prepare_ablation(config: Mapping[str, Any], results: Path, ablation: str, models: Mapping[str, Any]) -> Plan:
    """The plan of an ablation of a study, kept in its folder.

    `models` has settings by architecture, and may have `against`, what each is compared with (see `Plan`; else the
    first), `controls`, those wanted of each model, and `tasks`, those that are reported.

    Its runs stand among the study's, so that what the study has trained is not trained again. Raises UserError and
    OSError.
    """
    shared = {key: value for key, value in config.items() if key != "ablations"}
    tasks = {name: {k: v for k, v in entry.items() if k != "models"} for name, entry in config["tasks"].items()}
    study = results / str(config["name"])
    folder = study / "ablations" / ablation
    with in_file(f"ablation {ablation}"):
        filled = _filled(models, {"n": 1, "i": 4, **config.get("ablated", {})})
        own = {**shared, "tasks": tasks, "models": filled, "controls": models.get("controls", [])}
        told = {"against": models.get("against", "first"), "reported": models.get("tasks", list(tasks))}
        identity = digest({**own, **told})
        plan = kept(folder, identity) or reported(make(own), told["reported"])._replace(digest=identity)
        plan = plan._replace(against=_checked(told["against"], plan))
    keep(plan, own, folder, study)
    return plan


def reported(plan: Plan, tasks: Collection[str]) -> Plan:
    """The plan with the models and roles of some tasks only; runs of the others may be what theirs start from."""
    models, roles = ([row for row in rows if row["task"] in tasks] for rows in (plan.models, plan.roles))
    return plan._replace(models=models, roles=roles)


def _filled(models: Mapping[str, Any], ablated: Mapping[str, int]) -> dict[str, list[dict[str, Any]]]:
    """The models' settings with the size of the ablated cell; a stack without iterations is given its depth."""
    depth = {"n": ablated["n"] * ablated["i"]}
    size = {"n": ablated["n"], "i": ablated["i"]}
    filled = {}
    for architecture, settings in models.items():
        if architecture in ABOUT:
            continue
        entries = settings if isinstance(settings, list) else [settings]
        if any("resources" in entry for entry in entries):
            raise UserError(f"models.{architecture}.resources: they stand in the study, at ablated.resources")
        filled[architecture] = [{**(depth if architecture == "vanilla" else size), **entry} for entry in entries]
    return filled


def _checked(against: str, plan: Plan) -> str:
    allowed = {key for model in plan.models for key in plan.settings_of(model)} | {"first", "previous"}
    if against not in allowed:
        raise UserError(f"against: no such setting{nearest(against, allowed)}")
    return against
