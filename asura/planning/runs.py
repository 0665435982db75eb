"""One run: all that is said of it in run.json."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, field_validator

from asura.common.errors import UserError
from asura.common.files import read_json
from asura.common.validation import Name, Settings, checked, in_file
from asura.models import AnyArchitecture
from asura.planning.plugins import load_for_run
from asura.planning.run_folder import RunFolder, digest
from asura.planning.study_settings import Seed
from asura.planning.training_settings import Training
from asura.planning.tuned import as_tuned
from asura.tasks import Task, task_of_kind

FORMAT: Literal[1] = 1
"""Version of run.json; raised when a file of an earlier one can no longer be run."""


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
    snapshot_steps: int | None = Field(None, ge=1)
    """Steps between two snapshots of the weights; null for none. A study sets it by `evaluation: {every: …}`."""
    start_from: str | None = None
    """Folder of the run whose weights training starts from, relative to the study's results; null for random ones."""
    tuned: str | None = None
    """File with settings of training that tuning has chosen, relative to the study's results; null for none."""
    plugins: dict[str, str] = Field({})
    """Code of one's own that the run uses, with the digest of its source: files by their names, whose copies stand in
    the study's results, and modules of packages by theirs."""

    @field_validator("task", mode="before")
    @classmethod
    def _task_of_its_kind(cls, value: Any, info: Any) -> Any:
        return task_of_kind(info.data.get("task_kind"), value, "task_kind")

    def stated(self) -> dict[str, Any]:
        """See `Settings.stated`; the content of run.json."""
        return {"version": self.version, **super().stated()}

    @property
    def folder(self) -> str:
        """Where the run lives, below the study's results."""
        return f"runs/{self.task_name}/{self.label}/seed{self.seed}"

    @property
    def tokens(self) -> int:
        """Tokens that training reads."""
        return self.training.steps * self.training.batch * self.task.sequence_length


def read_run(path: Path) -> Run:
    """Read and check a run.json, with what tuning has chosen for it. Raises UserError."""
    content = read_json(path)
    if content.get("tuned"):
        study = path.resolve().parents[4]
        tuned = as_tuned(content, study)
        if tuned is None:
            raise UserError(f"{path}: its settings have not been chosen; {study / content['tuned']} is missing")
        content = dict(tuned)
    load_for_run(content, path)
    with in_file(str(path)):
        return checked(Run, content, "")


def study_of(path: Path, run: Run) -> Path | None:
    """The results of the study in which a folder is that of a run; None where it is in no such place."""
    folder = path.resolve()
    study = folder.parents[min(3, len(folder.parents) - 1)]
    return study if study / run.folder == folder else None


def is_folder_of(folder: RunFolder, run: Run) -> bool:
    """Whether run.json in a folder is that of a run. Raises UserError where there is none, or it is damaged."""
    return digest(read_run(folder.run)) == digest(run)
