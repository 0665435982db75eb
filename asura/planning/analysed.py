"""Which runs of a study are analysed, what analyses were made of, and so whether they are as asked; without torch."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from asura.common.errors import UserError
from asura.common.files import checksum, read_sealed
from asura.common.names import EVALUATED
from asura.planning.analysis_settings import ANALYSES, Analyses
from asura.planning.run_folder import RunFolder

if TYPE_CHECKING:  # which imports torch, or the plan, which asks here
    from asura.planning.plan import Plan
    from asura.planning.variants import Variant

STACK = "iso_flop"
"""The control that a recursive model is compared with, its iterations with the blocks of that."""

ANALYSED = "analysis.json"
"""In the folder of the analyses of a run: what they were made of, and checksums of their tables."""


def planned_analyses(analyses: Analyses | None, models: Iterable["Variant"]) -> dict[str, Any]:
    """The analyses of a study as they stand in its plan. Raises UserError where they name a model it does not have."""
    if analyses is None:
        return {}
    # A model of other code has no iterations that could be looked into.
    own = {variant.label: variant.model for variant in models if variant.model.architecture != EVALUATED}
    analyses.check(own)
    return {**analyses.stated(), "models": analyses.models or list(own)}


def asked_analyses(plan: "Plan") -> list[str]:
    """Names of the analyses of a study."""
    return [name for name in ANALYSES if name in plan.analyses]


def is_analysed(plan: "Plan", label: str) -> bool:
    """Whether a study analyses a model."""
    return label in plan.analyses.get("models", ())


def analysed_runs(plan: "Plan") -> list[str]:
    """The folders of the runs that a study analyses, below its results."""
    return [name for name, run in plan.runs.items() if is_analysed(plan, run["label"])]


def compared_stack(plan: "Plan", analyses: Mapping[str, Any], task: str, label: str) -> str | None:
    """The label of the stack of equal FLOPs that analyses compare a model with; None without it or the comparison."""
    if "similarity" not in analyses:
        return None
    roles = [role for role in plan.roles if (role["task"], role["control_of"]) == (task, label)]
    return next((role["label"] for role in roles if role["control"] == STACK), None)


def asked_of_run(record: Mapping[str, Any], analyses: Mapping[str, Any], stack: str | None) -> dict[str, Any]:
    """What analyses of a run follow from, but for code: its weights, those of its stack, and what is asked."""
    asked = {key: value for key, value in analyses.items() if key != "models"}
    return {"weights": record.get("weights"), "stack": stack, **asked}


def read_analysis(folder: RunFolder) -> dict[str, Any]:
    """The note of the analyses of a run; nothing where there is none, or it or one of its tables is damaged."""
    try:
        note = read_sealed(folder.analysis / ANALYSED)
    except UserError:
        return {}
    tables = {folder.analysis / f"{name}.csv": expected for name, expected in note["tables"].items()}
    is_whole = all(path.is_file() and checksum(path) == expected for path, expected in tables.items())
    return note if is_whole else {}
