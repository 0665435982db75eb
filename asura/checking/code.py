"""Runs that were made by other code than is here: which they are, and whether this code would give the same bits."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asura.common.files import write_sealed
from asura.evaluation.evaluate import evaluate
from asura.planning.outputs import TUNING
from asura.planning.parts import planned_folders
from asura.planning.plan import Plan, load
from asura.planning.planner import make
from asura.planning.plugins import of_study
from asura.planning.run_folder import RunFolder
from asura.planning.runs import read_run
from asura.planning.standing import Standing
from asura.training.loop import train

SAME = {
    "training": ("status", "step", "weights", "metrics", "snapshots"),
    "evaluation": ("rows", "floors", "snapshots", "sweep"),
}
"""What must be the same in the record of a training, and in an evaluation, where it is there."""


def outdated(study: Path) -> dict[str, tuple[str, ...]]:
    """Runs of a study, its trials and ablations that other code made, by their folders, and what of each: `RunState`.

    Raises UserError where the study has no plan, or a plan is damaged.
    """
    return made_by_other_code(study, plans(study))


def made_by_other_code(study: Path, plans: Iterable[Plan]) -> dict[str, tuple[str, ...]]:
    """The same of the runs of some plans, which have the digests of the code that is here."""
    return {name: parts for plan in plans for name, parts in Standing(plan, study).made_by_other_code().items()}


def plans(study: Path) -> list[Plan]:
    """The plans of a study, its trials and ablations, with the digests of the code that is here. Raises UserError."""
    return [_with_code_of_here(load(folder / "plan.json"), study, folder) for folder in planned_folders(study)]


def _with_code_of_here(plan: Plan, study: Path, folder: Path) -> Plan:
    return plan._replace(code=made_here(plan, study, folder).code)


def made_here(plan: Plan, study: Path, folder: Path) -> Plan:
    """What the code that is here plans of the settings beside a plan of a study. Raises UserError."""
    return make(of_study(study, folder), plan.against, tuning=folder.name == TUNING)


def discard(study: Path, runs: Mapping[str, tuple[str, ...]]) -> None:
    """Remove records, or scores, that other code made, so that the workflow makes them again. Raises OSError."""
    for name, other in runs.items():
        folder = RunFolder(study / name)
        folder.evaluation.unlink(missing_ok=True)
        if "training" in other:
            folder.forget()


def accept(study: Path, threads: int = 1) -> Iterator[tuple[str, bool]]:
    """Make one run of each model that other code made again, and accept the others where its bits are the same.

    Yields a line for each model, and whether it was accepted. What is accepted has the digest of the code that is here
    in its record, and what it was accepted for. Raises UserError and OSError.
    """
    for plan in plans(study):
        other = Standing(plan, study).made_by_other_code()
        for part in SAME:
            by_model: dict[str, list[str]] = {}
            for name in [name for name in other if part in other[name]]:
                by_model.setdefault(name.rpartition("/")[0], []).append(name)
            for model, runs in by_model.items():
                yield _accept(study, plan, part, model, runs, threads)


def _accept(study: Path, plan: Plan, part: str, model: str, runs: list[str], threads: int) -> tuple[str, bool]:
    """Make a part of the first of a model's runs again, and compare it."""
    before = _read(study, runs[0], part)
    _, task, label = model.split("/")
    with tempfile.TemporaryDirectory(dir=study, prefix=".again-") as aside:
        again = (
            _train(study, runs[0], Path(aside), threads)
            if part == "training"
            else evaluate(study / runs[0], plan.evaluation_of(task), threads, Path(aside, "evaluation.json"))
        )
    seed = runs[0].rpartition("/")[2]
    if different := [name for name in SAME[part] if again.get(name) != before.get(name)]:
        was, now = before.get("device", "an unknown device"), again["device"]
        where = f" on {now}, where it was made on {was}" if was != now else ""
        found = f"gives other {' and '.join(different)} now{where}"
        return f"{task}/{label}: {part} of {seed} {found}; it is not accepted", False
    reason = f"{part} of {seed}, made again on {again['device']}, gives the same bits"
    for name in runs:
        record = _read(study, name, part)
        said = {"made_by": record.get("code"), "time": datetime.now(UTC).isoformat(timespec="seconds"), "for": reason}
        accepted = [*record.get("accepted", []), said]
        code = plan.code[f"{task}/{label}"][part]
        write_sealed(_path(study, name, part), {**record, "code": code, "accepted": accepted})
    return f"{task}/{label}: {reason}; {len(runs)} runs are accepted", True


def _train(study: Path, name: str, aside: Path, threads: int) -> dict[str, Any]:
    run = read_run(RunFolder(study / name).run)
    return train(run, aside, threads, study / run.start_from if run.start_from else None)


def _path(study: Path, name: str, part: str) -> Path:
    folder = RunFolder(study / name)
    return folder.record if part == "training" else folder.evaluation


def _read(study: Path, name: str, part: str) -> dict[str, Any]:
    folder = RunFolder(study / name)
    return folder.read_record() if part == "training" else folder.read_evaluation()
