"""What a study multiplies out to: tasks with their settings, and models to be trained on them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from asura.models.settings import Architecture
from asura.planning.code import plugins_of
from asura.planning.runs import Run
from asura.planning.study_settings import Resources
from asura.planning.training_settings import Training
from asura.tasks import Task
from asura.tasks.in_words import Written


class NamedTask(NamedTuple):
    """A task of a study: its name, its kind, its settings, and the settings of its models and of training.

    models: its models; None for those of the study.
    written_as: the text task in whose words it is written.
    """

    name: str
    kind: str
    task: Task
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    models: Mapping[str, Any] | None
    written_as: str | None

    @property
    def matched_on(self) -> Task:
        """The task on which models are matched: that of the text, since models are to start from its runs."""
        return self.task.text if isinstance(self.task, Written) else self.task


class Variant(NamedTuple):
    """A model on a task, to be trained once for each seed; `start` is the variant whose weights it starts from.

    seeds: those that the study lists for it; a control or a start has those of the models that need it.
    """

    task: NamedTask
    label: str
    model: Architecture
    training: Training
    resources: Resources
    start: "Variant | None" = None
    seeds: tuple[int, ...] = ()

    def run(self, seed: int) -> Run:
        """The run of one seed."""
        return Run(
            task_name=self.task.name,
            task_kind=self.task.kind,
            task=self.task.task,
            label=self.label,
            model=self.model,
            training=self.training,
            seed=seed,
            start_from=self.start.run(seed).folder if self.start else None,
            plugins=plugins_of(self.model, self.task.task, self.training),
        )
