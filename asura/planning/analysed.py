"""What analyses of runs were made of, and so whether they are as a study asks; without torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asura.common.errors import UserError
from asura.common.files import checksum, read_sealed
from asura.planning.analysis_settings import Analyses
from asura.planning.run_folder import RunFolder

if TYPE_CHECKING:  # which imports torch, or the plan, which asks here
    from asura.planning.plan import Plan
    from asura.planning.variants import Variant

STACK = "iso_flop"
"""The control that a recursive model is compared with block by iteration."""


def planned_analyses(analyses: Analyses | None, models: Iterable["Variant"]) -> dict[str, Any]:
    """The analyses of a study as they stand in its plan. Raises UserError where they name a model it does not have."""
    if analyses is None:
        return {}
    analyses.check({model.label for model in models})
    return analyses.stated()


def stack_label(plan: "Plan", task: str, label: str) -> str | None:
    """The label of the stack of equal FLOPs that is a control of a model; None if it has none."""
    roles = [role for role in plan.roles if (role["task"], role["control_of"]) == (task, label)]
    return next((role["label"] for role in roles if role["control"] == STACK), None)


def asked_of_run(record: Mapping[str, Any], analyses: Analyses, stack: Path | None) -> dict[str, Any]:
    """What an analysis of a run follows from, but for code: its weights, those of its stack, and the settings."""
    beside = None
    if stack and RunFolder(stack).record.is_file():
        beside = RunFolder(stack).read_record().get("weights")
    settings = {key: value for key, value in analyses.stated().items() if key != "models"}
    return {"weights": record.get("weights"), "stack": beside, **settings}


def read_analysis(folder: RunFolder) -> dict[str, Any]:
    """The note of the analysis of a run; nothing where there is none, or it or one of its tables is damaged."""
    try:
        note = read_sealed(folder.analysis / "analysis.json")
    except UserError:
        return {}
    tables = {name: folder.analysis / f"{name}.csv" for name in note["tables"]}
    is_whole = all(path.is_file() and checksum(path) == note["tables"][name] for name, path in tables.items())
    return note if is_whole else {}


def is_analysis_of(note: Mapping[str, Any], made_of: Mapping[str, Any]) -> bool:
    """Whether an analysis was made of this."""
    return note.get("made_of") == made_of
