"""One run: all that is said of it in run.json, and the folder in which it is trained."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from asura.errors import UserError
from asura.files import checksum, read_json, read_sealed
from asura.models import AnyArchitecture
from asura.tasks import Task, task_of_kind
from asura.tasks.base import LARGEST
from asura.validation import checked, in_file

FORMAT = 1
"""Version of run.json; raised when a file of an earlier one can no longer be run."""

KEPT_BITS = {"activation_checkpointing", "checkpoint_minutes", "checkpoint_steps"}
"""Settings of training that may be changed in mid-training: they cost time and memory, and change no bit."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Training(BaseModel):
    """How a model is trained; the same for ASURA and its controls.

    activation_checkpointing: what an iteration computes is not kept for the backward pass, which iterates again from
    the states before: of i iterations, the memory of one, for about a third more time. The FLOPs of a plan are those
    of the architecture and do not count what is computed twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, le=2**40)
    batch: int = Field(32, ge=1, le=LARGEST, description="sequences in one step")
    accumulate: int = Field(1, ge=1, description="parts that a batch is cut into, one after the other")
    optimiser: Literal["adamw", "adafactor", "muon"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0, allow_inf_nan=False)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    schedule: Literal["cosine", "constant", "warmup_stable_decay"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    decay_fraction: float = Field(0.2, gt=0, le=1, description="share of the steps in which warmup_stable_decay decays")
    clip: float | None = Field(1.0, gt=0, allow_inf_nan=False, description="largest gradient norm; null for none")
    z_loss: float = Field(0.0, ge=0, allow_inf_nan=False)
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on CUDA")
    compile: bool = False
    activation_checkpointing: bool = False
    parallel: Literal["ddp", "fsdp"] = Field("ddp", description="how several processes share one run")
    log_steps: int = Field(20, ge=1)
    checkpoint_minutes: float = Field(5.0, gt=0)
    checkpoint_steps: int | None = Field(None, ge=1)
    start_from: Name | None = Field(None, description="task whose run of this model and seed gives the first weights")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate {self.accumulate}: it must divide batch {self.batch}")
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps}: it must be at most steps {self.steps}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {list(self.betas)}: each must be at least 0 and below 1")
        if self.parallel == "fsdp" and self.optimiser == "adafactor":
            raise ValueError("optimiser adafactor: torch's cannot be sharded; use adamw or muon, or parallel: ddp")
        return self


class Run(BaseModel):
    """One model to train: all that training reads, and the provenance of what comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = FORMAT
    task_name: Name
    task_kind: str
    task: SerializeAsAny[Task]
    label: str
    model: AnyArchitecture
    training: Training
    seed: Seed
    start_from: str | None = None
    """Folder of the run, below the study's results, whose weights are those that training starts from."""

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
