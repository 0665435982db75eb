"""One run: all that is said of it in run.json, and the folder in which it is trained."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, field_validator

from asura.common.errors import UserError
from asura.common.files import checksum, read_json, read_sealed
from asura.common.validation import Name, Settings, checked, in_file
from asura.models import AnyArchitecture
from asura.planning.training_settings import KEPT_BITS, Training
from asura.tasks import Task, task_of_kind

FORMAT: Literal[1] = 1
"""Version of run.json; raised when a file of an earlier one can no longer be run."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Run(Settings):
    """One model to train: everything that training reads. It is written to run.json."""

    version: Literal[1] = FORMAT
    """Version of the format of run.json."""
    task_name: Name
    """Name of the task in the study."""
    task_kind: str
    """Kind of the task, a key of `TASKS`."""
    task: SerializeAsAny[Task]
    """Settings of the task."""
    label: str
    """Name of the model in the study. It is also the name of its folder."""
    model: AnyArchitecture
    """Settings of the model."""
    training: Training
    """Settings of training."""
    seed: Seed
    """Seed of the weights and of the training data."""
    start_from: str | None = None
    """Folder of the run whose weights training starts from, relative to the study's results; null for random ones."""

    @field_validator("task", mode="before")
    @classmethod
    def _task_of_its_kind(cls, value: Any, info: Any) -> Any:
        return task_of_kind(info.data.get("task_kind"), value, "task_kind")

    @property
    def folder(self) -> str:
        """Where the run lives, below the study's results."""
        return f"runs/{self.task_name}/{self.label}/seed{self.seed}"

    @property
    def tokens(self) -> int:
        """Tokens that training reads."""
        return self.training.steps * self.training.batch * self.task.sequence_length


RECORDED = ("weights", "metrics", "tokenizer")
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
        self.tokenizer = path / "tokenizer.json"  # only of a run on text

    def read_record(self) -> dict[str, Any]:
        """What training left. Raises UserError where it has not ended."""
        if not self.record.is_file():
            raise UserError(f"{self.record}: no such file; the run has not been trained to its end")
        return read_sealed(self.record)

    def read_evaluation(self) -> dict[str, Any]:
        """What evaluation left. Raises UserError where it is missing or damaged."""
        return read_sealed(self.evaluation)

    def read_record_of(self, run: "Run") -> dict[str, Any]:
        """The record, which must be of these settings. Raises UserError."""
        record = self.read_record()
        if not is_record_of(run, record):
            raise UserError(f"{self.record}: it is of other settings than {self.run.name}; train the run again")
        return record

    def damaged(self, record: Mapping[str, Any], names: Iterable[str] = RECORDED) -> Path | None:
        """The first of these files that is missing, or without its checksum in the record."""
        for name in names:
            path: Path = getattr(self, name)
            if record[name] != (checksum(path) if path.is_file() else None):
                return path
        return None

    def check(self, record: Mapping[str, Any], names: Iterable[str] = RECORDED) -> None:
        """Raises UserError where one of these files is missing, or without its checksum in the record."""
        if path := self.damaged(record, names):
            remedy = f"delete {self.record.name} to train again"
            raise UserError(f"{path}: missing, or without the checksum in {self.record.name}; {remedy}")

    def is_of(self, run: "Run") -> bool:
        """Whether run.json is that of a run. Raises UserError where there is none, or it is damaged."""
        return digest(read_run(self.run)) == digest(run)

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


def read_run(path: Path) -> Run:
    """Read and check a run.json. Raises UserError."""
    content = read_json(path)
    with in_file(str(path)):
        return checked(Run, content, "")


def is_record_of(run: Run, record: Mapping[str, Any]) -> bool:
    """Whether what training left is of these settings."""
    return record.get("run") == digest(run, record.get("start"), record.get("corpus"))


def digest(run: Run, start: str | None = None, corpus: str | None = None) -> str:
    """SHA-256 of all that a run's result follows from: its settings, and checksums of first weights and corpus."""
    settings = run.model_dump_json(exclude={"training": KEPT_BITS})
    return sha256(f"{settings}{start or ''}{corpus or ''}".encode()).hexdigest()
