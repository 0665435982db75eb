"""Taking what another study has made of the same run, so that it is not made again.

Files get a second name where the file system allows it, and else are copied. No file of a run is ever changed in place:
what is written again takes the place of the old file, so that each study can be changed, moved and deleted by itself.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import write_sealed, write_whole
from asura.planning.code import evaluation_code, training_code
from asura.planning.run_folder import RunFolder, is_evaluation_of
from asura.planning.runs import Run, read_run, study_of
from asura.planning.shared_runs import is_to_share, other_studies
from asura.planning.study_settings import Evaluation
from asura.training.origin import origin_of

TAKEN_FROM = "taken_from"
"""In a record, the name of the study that has made it."""


def take_training(run: Run, path: Path, start_from: Path | None = None) -> None:
    """Take the result of training a run from another study, unless it is there, or to be made here.

    Damaged files are not taken. Raises UserError where it is not known what the result follows from, as training does.
    """
    folder, study = RunFolder(path), study_of(path, run)
    if study is None or folder.forced.exists():
        return
    identity, code = origin_of(run, path, start_from).identity, training_code(run.model, run.task)
    if _is_trained(folder, identity):
        return
    for other in other_studies(study):
        with suppress(UserError, OSError):  # damaged, or being deleted: another study has it, or it is made here
            there = RunFolder(other / run.folder)
            record = there.read_record()
            if record["run"] == identity and is_to_share(record, code):
                for file, checksum in there.recorded(record):
                    if checksum:
                        _share(file, folder.path / file.relative_to(there.path))
                folder.check(record)
                write_sealed(folder.record, {TAKEN_FROM: other.name, **record})
                return _say(run, f"trained by {other}")


def take_evaluation(path: Path, asked: Evaluation) -> None:
    """Take the scores of a trained run from another study, unless they are there. Raises UserError."""
    folder = RunFolder(path)
    run = read_run(folder.run)
    record, study = folder.read_record_of(run), study_of(path, run)
    if study is None or _is_evaluated(folder, record, asked):
        return
    code = evaluation_code(run.model, run.task, asked.benchmarks)
    for other in other_studies(study):
        there = RunFolder(other / run.folder)
        if _is_evaluated(there, record, asked, code):
            with suppress(UserError, OSError):
                evaluation = there.read_evaluation()
                _share(there.outcomes, folder.outcomes)
                folder.check_outcomes(evaluation)
                write_sealed(folder.evaluation, {TAKEN_FROM: other.name, **evaluation})
                return _say(run, f"evaluated by {other}")


def _is_trained(folder: RunFolder, identity: str) -> bool:
    with suppress(UserError):
        record = folder.read_record()
        return record.get("run") == identity and not folder.damaged(record)
    return False


def _is_evaluated(folder: RunFolder, record: Mapping[str, Any], asked: Evaluation, code: str | None = None) -> bool:
    """Whether whole scores of these weights are in a folder; made by this code, if it is given."""
    with suppress(UserError, OSError):
        evaluation = folder.read_evaluation()
        folder.check_outcomes(evaluation)
        return is_evaluation_of(evaluation, record, asked) and code in (None, evaluation.get("code"))
    return False


def _share(file: Path, name: Path) -> None:
    """Give a file another name, or copy it."""

    def write(aside: Path) -> None:
        try:
            os.link(file, aside)
        except OSError:
            shutil.copyfile(file, aside)

    write_whole(name, write)


def _say(run: Run, said: str) -> None:
    print(f"asura: {run.label} on {run.task_name}, seed {run.seed}: {said}", file=sys.stderr, flush=True)
