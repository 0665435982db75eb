"""One run: all that is said of it in run.json."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator

from asura.common.files import read_json
from asura.common.validation import Name, checked, in_file
from asura.models import AnyArchitecture
from asura.planning.run_folder import RunFolder, digest
from asura.planning.training_settings import Training
from asura.tasks import Task, task_of_kind

FORMAT = 1
"""Version of run.json; raised when a file of an earlier one can no longer be run."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]


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


def read_run(path: Path) -> Run:
    """Read and check a run.json. Raises UserError."""
    content = read_json(path)
    with in_file(str(path)):
        return checked(Run, content, "")


def is_folder_of(folder: RunFolder, run: Run) -> bool:
    """Whether run.json in a folder is that of a run. Raises UserError where there is none, or it is damaged."""
    return digest(read_run(folder.run)) == digest(run)
