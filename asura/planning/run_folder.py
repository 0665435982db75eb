"""The folder of a run: names of its files, and whether they are what its settings lead to.

Nothing here imports torch, so that a report can read thousands of runs without it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from asura.common.errors import UserError
from asura.common.files import checksum, read_sealed
from asura.common.validation import Settings
from asura.planning.training_settings import KEPT_BITS

AnyRun = Settings | Mapping[str, Any]
"""A `Run`, or the content of its run.json."""

OUT_OF_MEMORY = "out of memory"
"""Status of a run whose memory did not suffice; it ends as one that diverged does, since it would do so again."""

FAILURES = ("diverged", OUT_OF_MEMORY)
"""What a run may end as, other than finished."""

RECORDED = ("weights", "metrics", "tokenizer", "snapshots")
"""Files of a run whose checksums stand in its record."""


class RunFolder:
    """Names of the files of a run: the settings come first, and each file is made from those before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run.json"
        self.metrics = path / "metrics.jsonl"  # grows while training
        self.checkpoint = path / "checkpoint.safetensors"  # only of a run that has not ended, or ran out of memory
        self.earlier_checkpoint = path / "checkpoint.earlier.safetensors"  # the one before it
        self.weights = path / "weights.safetensors"
        self.record = path / "training.json"  # only of a run that has ended
        self.evaluation = path / "evaluation.json"
        self.outcomes = path / "outcomes.safetensors"  # of each example, at the trained number of iterations
        self.analysis = path / "analysis"  # tables of analyses, and what they were made of
        self.tokenizer = path / "tokenizer.json"  # only of a run on text
        self.forced = path / "forced"  # only of a run that is to be trained here, even if another study has it
        self.snapshots = path / "snapshots"  # weights during training, only of a run that keeps them

    def snapshot(self, step: int) -> Path:
        """The weights after a step."""
        return self.snapshots / f"{step}.safetensors"

    def forget(self, forced: bool = False) -> None:
        """Remove the record and the checkpoints, so that the run is trained from its start. Raises OSError.

        forced: even if another study has trained it.
        """
        for path in (self.record, self.checkpoint, self.earlier_checkpoint):
            path.unlink(missing_ok=True)
        if forced:
            self.path.mkdir(parents=True, exist_ok=True)
            self.forced.touch()

    def read_record(self) -> dict[str, Any]:
        """What training left. Raises UserError where it has not ended."""
        if not self.record.is_file():
            raise UserError(f"{self.record}: no such file; the run has not been trained to its end")
        return read_sealed(self.record)

    def read_evaluation(self) -> dict[str, Any]:
        """What evaluation left. Raises UserError where it is missing or damaged."""
        return read_sealed(self.evaluation)

    def read_record_of(self, run: AnyRun) -> dict[str, Any]:
        """The record, which must be of these settings. Raises UserError."""
        record = self.read_record()
        if not is_record_of(run, record):
            raise UserError(f"{self.record}: it is of other settings than {self.run.name}; train the run again")
        return record

    def damaged(self, record: Mapping[str, Any], names: Iterable[str] = RECORDED) -> Path | None:
        """The first of these files that is missing, or without its checksum in the record."""
        for path, expected in self.recorded(record, names):
            if expected != (checksum(path) if path.is_file() else None):
                return path
        return None

    def recorded(self, record: Mapping[str, Any], names: Iterable[str] = RECORDED) -> Iterator[tuple[Path, str | None]]:
        """These files with their checksums in the record."""
        for name in names:
            if name == "snapshots":
                yield from ((self.snapshot(int(step)), found) for step, found in record.get(name, {}).items())
            else:
                yield getattr(self, name), record[name]

    def check(self, record: Mapping[str, Any], names: Iterable[str] = RECORDED) -> None:
        """Raises UserError where one of these files is missing, or without its checksum in the record."""
        if path := self.damaged(record, names):
            remedy = f"delete {self.record.name} to train again"
            raise UserError(f"{path}: missing, or without the checksum in {self.record.name}; {remedy}")

    def check_outcomes(self, evaluation: Mapping[str, Any]) -> None:
        """Raises UserError where the outcomes of examples are missing, or without the checksum in the evaluation."""
        if not self.outcomes.is_file() or checksum(self.outcomes) != evaluation.get("outcomes"):
            remedy = f"delete {self.evaluation.name} to evaluate again"
            raise UserError(f"{self.outcomes}: missing, or without the checksum in {self.evaluation.name}; {remedy}")

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of the metrics, less a last one that is being written. Raises UserError."""
        try:
            *lines, _ = self.metrics.read_text(encoding="utf-8").split("\n")
            rows = [json.loads(line) for line in lines]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("a line is no object")
            return rows
        except OSError as error:
            raise UserError(f"{self.metrics}: it cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise UserError(f"{self.metrics}: damaged ({error}); delete {self.record.name} to train again") from None


def is_record_of(run: AnyRun, record: Mapping[str, Any]) -> bool:
    """Whether what training left is of these settings."""
    return record.get("run") == digest(run, record.get("start"), record.get("corpus"))


def is_evaluation_of(evaluation: Mapping[str, Any], record: Mapping[str, Any], asked: Settings) -> bool:
    """Whether scores are of the weights in a record, and of an evaluation with these settings."""
    return evaluation.get("made_of") == {"weights": record.get("weights"), **asked.stated()}


def digest(run: AnyRun, start: str | None = None, corpus: str | None = None) -> str:
    """SHA-256 of all that a run's result follows from: its settings, and checksums of first weights and corpus.

    Settings at their default are left out, see `Settings.stated`.
    """
    settings = run.stated() if isinstance(run, Settings) else run
    training = {key: value for key, value in settings["training"].items() if key not in KEPT_BITS}
    text = json.dumps({**settings, "training": training}, sort_keys=True)
    return sha256(f"{text}{start or ''}{corpus or ''}".encode()).hexdigest()
