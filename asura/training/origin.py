"""What the result of a run follows from, other than code: its settings, its first weights and its texts."""

from pathlib import Path
from typing import Any, NamedTuple

from asura.common.errors import UserError
from asura.corpora.folders import manifest_checksum
from asura.planning.run_folder import RunFolder, digest
from asura.planning.runs import Run, study_of


class Origin(NamedTuple):
    """What the result of a run follows from."""

    identity: str
    """Digest of the run, with checksums of its first weights and of its corpus."""
    start: RunFolder | None
    """The run that this one starts from."""
    prior: dict[str, Any] | None
    """The record of that run."""
    corpus: str | None
    """Checksum of the manifest of the corpus that its task reads."""


def origin_of(run: Run, path: Path, start_from: Path | None) -> Origin:
    """What the result of a run in a folder follows from; `start_from` is as in `loop.train`. Raises UserError."""
    start = _start(run, path, start_from)
    prior = start.read_record() if start else None
    corpus = manifest_checksum(run.task.reads.folder) if run.task.reads else None
    return Origin(digest(run, prior["weights"] if prior else None, corpus), start, prior, corpus)


def _start(run: Run, path: Path, start_from: Path | None) -> RunFolder | None:
    if run.start_from is None:
        if start_from is not None:
            raise UserError(f"{run.label}: it starts from no other run; leave out --start-from")
        return None
    if start_from is None and (study := study_of(path, run)):
        start_from = study / run.start_from
    if start_from is None:
        raise UserError(f"{run.label}: it starts from {run.start_from}; give that run's folder by --start-from")
    return RunFolder(start_from)
