"""Plans, made and written as the workflow does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asura.planning.ablations import planned_ablation
from asura.planning.cache import planned, read_plan, write_plan
from asura.planning.plan import Plan
from asura.planning.planner import make


def prepare(config: Mapping[str, Any], results: Path) -> Plan:
    """Plan a study, and write the plan to its folder in the results. The cache is in the current folder."""
    path = planned(config["name"], config, config, lambda: make(config))
    write_plan(path, results / config["name"], results / config["name"])
    return read_plan(path)


def prepare_ablation(config: Mapping[str, Any], results: Path, name: str, models: Any) -> Plan:
    """The same of an ablation of a study."""
    path = planned_ablation(config, name, models)
    study = results / config["name"]
    write_plan(path, study / "ablations" / name, study)
    return read_plan(path)
