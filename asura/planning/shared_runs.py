"""Runs that another study in the same results has trained already: they need not be trained again.

A run stands in the same place of each study, `runs/TASK/LABEL/seedS`, so there is no list of them that could be wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.planning.run_folder import OUT_OF_MEMORY, RunFolder
from asura.planning.standing import Standing
from asura.planning.tuned import runs_as_tuned


def other_studies(study: Path) -> list[Path]:
    """The results of the other studies that stand beside those of a study."""
    place = study.resolve()
    return sorted(path.parent for path in place.parent.glob("*/runs") if path.parent != place)


def is_to_share(record: Mapping[str, Any], code: str) -> bool:
    """Whether training again would leave the same: other code might not, and another machine has other memory."""
    return record.get("code") == code and record.get("status") != OUT_OF_MEMORY


def trained_elsewhere(standing: Standing) -> dict[str, Path]:
    """Runs that are to be trained, and have been by another study: its folder, by theirs below a study's."""
    missing = [name for name, state in standing.runs.items() if state.trained != "fresh"]
    runs = {name: run for name, run in runs_as_tuned(standing.plan.runs, standing.study).items() if "tuned" not in run}
    found: dict[str, Path] = {}
    for study in other_studies(standing.study) if missing else []:
        there = Standing(standing.plan._replace(runs=runs), study)
        for name in runs.keys() & set(missing) - found.keys():
            if _has_trained(there, name):
                found[name] = study
    return found


def _has_trained(standing: Standing, name: str) -> bool:
    folder, run = RunFolder(standing.study / name), standing.plan.runs[name]
    with suppress(UserError):
        code = standing.plan.code[f"{run['task_name']}/{run['label']}"]["training"]
        return standing.state(name).trained == "fresh" and is_to_share(folder.read_record(), code)
    return False


def shared_in_words(standings: Iterable[Standing]) -> Iterator[str]:
    """A line about the runs that are taken from other studies, if there are any."""
    found: dict[str, Path] = {}
    planned: set[str] = set()
    for standing in standings:
        found |= trained_elsewhere(standing)
        planned |= standing.plan.runs.keys()
    if found:
        *others, last = sorted({study.name for study in found.values()})
        names = f"{', '.join(others)} and {last}, which have" if others else f"{last}, which has"
        yield f"{len(found)} of {len(planned)} runs need no training: they are taken from {names} trained them"
