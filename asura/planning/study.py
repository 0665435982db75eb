"""A study file, checked and expanded into variants of models, tasks and seeds.

configs/*.yaml ─ Study ─> Variant (task, model, training) ─ × seed ─> Run ─> run.json
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator

from asura.common.errors import UserError
from asura.common.names import refuse_one_folder
from asura.common.validation import LARGEST, Name, Settings, checked, in_file, mapping_at, nearest
from asura.models import ARCHITECTURES
from asura.models.model import LONGEST
from asura.models.settings import Architecture
from asura.planning.analysis_settings import Analyses
from asura.planning.control_settings import Controls
from asura.planning.evaluated import EvaluatedEntry
from asura.planning.external import External, RowsFile
from asura.planning.factories import training_of
from asura.planning.grid import differences, grid, plain
from asura.planning.places import BESIDE_MODEL, BESIDE_TASK, model_settings
from asura.planning.study_settings import (
    EACH_ONCE,
    Ablated,
    Evaluation,
    ModelEntry,
    Question,
    Resources,
    Seeds,
    TaskEntry,
    each_once,
    names_of,
)
from asura.planning.training_settings import KEPT_BITS, Training
from asura.planning.tune_settings import Tune
from asura.planning.variants import NamedTask, Variant
from asura.tasks import TASKS, Task
from asura.tasks.in_words import Written
from asura.tasks.text import Text

LONGEST_LABEL = 200
"""Characters: a label is the name of a folder, and file systems allow 255 bytes."""

Added = TypeVar("Added", TaskEntry, ModelEntry)


class Study(Settings):
    """A study file. Its methods raise UserError, which names the key but not the file."""

    name: Name
    """Name of the study. Its results are in `results/NAME`."""
    seeds: Seeds
    """Seeds of the weights and of the training data. Every model is trained once per seed. A model may have its own."""
    tasks: dict[Name, dict[str, Any]] = Field(min_length=1)
    """Tasks by name. The name is that of a kind of task, or any other name if `task` gives the kind."""
    models: dict[str, dict[str, Any] | list[dict[str, Any]]] = Field(min_length=1)
    """Models by architecture: settings, or a list of settings. A setting may be a list of values, of which all
    combinations are trained."""
    controls: Controls = Field([])
    """Matched controls that are trained for every recursive model, as a list of names or as settings by name.
    `iso_param` has as many parameters, `iso_flop` as many FLOPs per token and the effective depth, `iso_both` as many
    parameters and total FLOPs, `iso_param_depth` as many parameters and the effective depth, and `iso_recursion` is
    `bare` with the same `n` and as many passes through the blocks."""
    width: int = Field(64, ge=1, le=LARGEST)
    """Width of all models. It must be divisible by twice the number of heads."""
    heads: int = Field(4, ge=1, le=LARGEST)
    """Number of attention heads of all models."""
    mlp_width: int | None = Field(None, ge=1, le=LARGEST)
    """Hidden width of the MLP of all models; null for 4 × `width`."""
    causal: bool = True
    """Whether a position attends only to itself and the positions before it. With false it attends to all positions."""
    training: dict[str, Any]
    """How all models are trained. A setting may be a list of values, here and where training is changed for a task or a
    model, and all combinations are trained. A pair of numbers, as in `betas`, is one value."""
    tune: Tune | None = None
    """How settings of training are tuned, for all models alike; null to train all with those of `training`."""
    evaluation: Evaluation = Evaluation()
    """How all models are evaluated."""
    resources: Resources = Resources()
    """Resources of the jobs of all models on a cluster."""
    analyses: Analyses | None = None
    """Analyses of trained models, which show what each iteration computes; null for none."""
    ablations: list[str | dict[Name, dict[str, Any]]] = Field([], json_schema_extra=EACH_ONCE)
    """Ablations that run as part of the study. Each is the name of a file in `rules/ablations`, the path of a rule file
    (ending in `.smk`), or a mapping of a name to the models of the ablation."""
    ablated: Ablated = Ablated()
    """Size of the models of ablations, and the resources of their jobs."""
    questions: list[Question] = Field([])
    """Questions that get a verdict; the first is the primary one. All other comparisons have a difference and an
    interval, and no verdict."""
    evaluated: dict[Name, EvaluatedEntry] = Field({})
    """Models of other code by their labels, which are evaluated like those of the study and not trained."""
    plugins: list[str] = Field([], json_schema_extra=EACH_ONCE)
    """Python files with architectures, tasks, optimisers or schedules of one's own, by their paths from the folder of
    the study file. They are code, which every command that reads the study or its runs executes (docs/extending.md).
    A copy is kept in the results."""
    external: list[External] | RowsFile = Field([])
    """Scores that others report, to be shown next to those of the study; or the path of a YAML or CSV file of such
    rows, relative to the study file."""

    @field_validator("ablations", mode="before")
    @classmethod
    def _ablations_have_names(cls, entries: Any) -> Any:
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, str | Mapping):
                raise ValueError(f"found {entry!r}; give a name, the path of a .smk file, or NAME: {{models}}")
        names = [name for entry in entries for name in names_of(entry)] if isinstance(entries, list) else []
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} stands there twice; name each once")
        refuse_one_folder(names)
        return entries

    @field_validator("tasks")
    @classmethod
    def _tasks_have_folders_of_their_own(cls, tasks: dict[str, Any]) -> dict[str, Any]:
        refuse_one_folder(tasks)
        return tasks

    @field_validator("controls", "plugins")
    @classmethod
    def _each_once(cls, values: Any) -> Any:
        return each_once(values)

    def named_tasks(self) -> list[NamedTask]:
        """The tasks, checked."""
        return [self._task(name, dict(entry)) for name, entry in self.tasks.items()]

    def _task(self, name: str, entry: dict[str, Any]) -> NamedTask:
        where = f"tasks.{name}"
        added, settings = _apart(TaskEntry, entry, where)
        kind: Any = added.task if "task" in added.model_fields_set else name
        written_as = added.written_as
        with in_file(where):
            of_kind = TASKS.named(kind)
        for key in added.model:
            if key not in (known := model_settings()):
                raise UserError(f"{where}.model.{key}: no such key{nearest(key, known)}")
        for key in Task.model_fields:
            if key in settings:
                raise UserError(f"{where}.{key}: the splits of a task set it; leave it out")
        task = checked(of_kind, settings, where, BESIDE_TASK)
        if written_as is not None:
            kind, task = "written", Written(kind=kind, task=task, text=self._text(written_as, f"{where}.written_as"))
        return NamedTask(name, kind, task, added.model, added.training, added.models, written_as)

    def _text(self, name: Any, where: str) -> Text:
        texts = [known for known, entry in self.tasks.items() if entry.get("task", known) == "text"]
        if name not in texts:
            raise UserError(f"{where}: no such task of text{nearest(name, texts)}")
        text = self._task(name, dict(self.tasks[name])).task
        assert isinstance(text, Text)
        return text

    def variants(self, task: NamedTask) -> list[Variant]:
        """The models of the study on one task, the axes of their grids multiplied out."""
        variants: dict[str, Variant] = {}
        models, key = (self.models, "models") if task.models is None else (task.models, f"tasks.{task.name}.models")
        for preset, entries in models.items():
            with in_file(f"{key}.{preset}"):
                ARCHITECTURES.named(preset)
            for k, entry in enumerate(entries if isinstance(entries, list) else [entries]):
                where = f"{key}.{preset}.{k}" if isinstance(entries, list) else f"{key}.{preset}"
                for variant in self._grid(task, preset, mapping_at(entry, where), where):
                    if variant.label in variants:
                        raise UserError(f"{where}: two models have the label {variant.label}; name each once")
                    variants[variant.label] = variant
        if not variants:
            raise UserError(f"{key}: the grid is empty; name at least one model that can stand on {task.name}")
        return list(variants.values())

    def _grid(self, task: NamedTask, preset: str, entry: dict[str, Any], where: str) -> Iterator[Variant]:
        added, settings = _apart(ModelEntry, entry, where)
        for training in self._trainings((f"tasks.{task.name}", task.training), (where, added.training)):
            yield from self._trained(task, preset, settings, training, added, where)

    def _trained(
        self,
        task: NamedTask,
        preset: str,
        settings: dict[str, Any],
        training: Training,
        added: ModelEntry,
        where: str,
    ) -> Iterator[Variant]:
        """The models of an entry that are trained in one way."""
        if training.start_from is not None and training.start_from != task.written_as:
            self._check_start(training.start_from, where)
            return  # a model that starts from a text is trained only on the tasks written in its words
        resources = added.resources.over(self.resources)
        if training.batch % (parts := training.accumulate * (resources.gpu or 1)):
            shared = f"{resources.gpu} GPUs with accumulate {training.accumulate}"
            raise UserError(f"{where}.resources: batch {training.batch} is no multiple of {parts}, for {shared}")
        for point in grid(settings, where):
            model = checked(ARCHITECTURES[preset][0], {**self.shared(task), **point}, where, BESIDE_MODEL)
            if task.task.reads_its_answers and not model.causal:
                raise UserError(f"{where}.causal: found false; {task.name} is read by causal models, set it to true")
            longest = max(split.sequence_length for split in task.task.splits.values())
            if model.positions == "learned" and longest > LONGEST:
                raise UserError(
                    f"{where}.positions: found learned, of which there are {LONGEST}; {task.name} is evaluated in "
                    f"sequences of {longest}, choose rotary or none"
                )
            variant = self.variant(task, model, training, resources, self._start(training, model, resources))
            yield variant._replace(seeds=tuple(added.seeds or self.seeds))

    def _check_start(self, name: str, where: str) -> None:
        written = [entry["written_as"] for entry in self.tasks.values() if "written_as" in entry]
        if name not in written:
            raise UserError(
                f"{where}.training.start_from: no task is written_as {name!r}, so nothing can start from it"
            )

    def _start(self, training: Training, model: Architecture, resources: Resources) -> Variant | None:
        """The variant of the text that a model starts from."""
        if training.start_from is None:
            return None
        text = self._task(training.start_from, dict(self.tasks[training.start_from]))
        return self.variant(text, model, self._training((f"tasks.{text.name}", text.training)), resources)

    def variant(
        self,
        task: NamedTask,
        model: Architecture,
        training: Training,
        resources: Resources,
        start: Variant | None = None,
    ) -> Variant:
        """A variant under its label: what differs from the preset and the study's training follows the size."""
        kind = type(model)
        preset = self.preset(task, kind, model)
        usual = self.usual_training(task)
        size = f"-n{model.n}" + (f"-i{model.i}" if kind.iterates() else "")
        trained = {key: value for key, value in differences(training, usual).items() if key not in KEPT_BITS}
        differing = {**differences(model, preset), **trained}
        label = model.architecture + size + "".join(f"+{key}={plain(value)}" for key, value in differing.items())
        if len(label) > LONGEST_LABEL:
            raise UserError(f"models.{model.architecture}: the label {label[:60]}… is longer than {LONGEST_LABEL}")
        return Variant(task, label, model, training, resources, start)

    def usual_training(self, task: NamedTask) -> Training:
        """How models on a task are trained where nothing else is said of them."""
        return self._training((f"tasks.{task.name}", task.training))

    def preset(self, task: NamedTask, kind: type[Architecture], size: Architecture) -> Architecture:
        """An architecture of a size as the study has it where nothing else is said of the model."""
        shared = {key: value for key, value in self.shared(task).items() if key in kind.model_fields}
        settings = {**shared, "n": size.n, "i": size.i}
        try:
            return kind.model_validate(settings)
        except ValidationError:  # what all models share need not fit a model that has others
            return kind.model_construct(**settings)

    def shared(self, task: NamedTask) -> dict[str, Any]:
        """Settings of all models on a task."""
        own = {"width": self.width, "heads": self.heads, "mlp_width": self.mlp_width, "causal": self.causal}
        return {**own, **task.model}

    def _training(self, *changes: tuple[str, Mapping[str, Any]]) -> Training:
        """The study's training with changes on top; of lists, the first values."""
        return next(self._trainings(*changes))

    def _trainings(self, *changes: tuple[str, Mapping[str, Any]]) -> Iterator[Training]:
        """The study's training with changes on top, each checked where it stands, and lists multiplied out."""
        merged, last = dict(self.training), "training"
        for where, change in (("", {}), *changes):
            merged, last = {**merged, **change}, f"{where}.training".lstrip(".")
            found = [training_of(point, last) for point in grid(merged, last)]
        yield from found


def _apart(kind: type[Added], entry: Mapping[str, Any], where: str) -> tuple[Added, dict[str, Any]]:
    """The keys that a study adds to an entry, checked, and the entry's own settings."""
    added = {key: value for key, value in entry.items() if key in kind.model_fields}
    settings = {key: value for key, value in entry.items() if key not in kind.model_fields}
    return checked(kind, added, where), settings
