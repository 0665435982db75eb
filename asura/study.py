"""What is to be run: a study file, checked and expanded into variants of models, tasks and seeds.

configs/*.yaml ─ Study ─> Variant (task, model, training) ─ × seed ─> Run ─> run.json
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from asura.errors import UserError
from asura.models import ARCHITECTURES, AnyArchitecture
from asura.models.settings import Architecture
from asura.tasks import TASKS, Task
from asura.tasks.base import LARGEST
from asura.validation import checked, mapping_at, nearest

FORMAT = 1
"""Version of run.json; raised when a file of an earlier one can no longer be run."""

LONGEST_LABEL = 200
"""Characters: a label is the name of a folder, and file systems allow 255 bytes."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Control = Literal["iso_param", "iso_flop", "iso_both", "iso_recursion"]


class Training(BaseModel):
    """How a model is trained; the same for ASURA and its controls."""

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
    log_steps: int = Field(20, ge=1)
    checkpoint_minutes: float = Field(5.0, gt=0)
    checkpoint_steps: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate {self.accumulate}: it must divide batch {self.batch}")
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps}: it must be at most steps {self.steps}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas {list(self.betas)}: each must be at least 0 and below 1")
        return self


class Evaluation(BaseModel):
    """How every model of a study is evaluated, on the same examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iterations: Literal["trained", "up_to_twice", "up_to_four_times"] = "up_to_twice"
    examples: int = Field(
        2560, ge=1, le=LARGEST, description="2,500 give a standard error below 1 % whatever the score"
    )


class Resources(BaseModel):
    """What each job of a model asks of a cluster, in place of what the rules ask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mem_mb: int | None = Field(None, ge=1, le=2**40)
    runtime: int | None = Field(None, ge=1, le=2**40, description="minutes")
    gpu: int | None = Field(None, ge=0, le=2**40)


class Ablated(BaseModel):
    """The cell that a study's ablations vary, and what each job of their models asks of a cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(1, ge=1, le=LARGEST)
    i: int = Field(4, ge=1, le=LARGEST)
    resources: Resources = Resources()


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

    @field_validator("task", mode="before")
    @classmethod
    def _task_of_its_kind(cls, value: Any, info: Any) -> Any:
        kind = info.data.get("task_kind")
        if kind not in TASKS:
            raise ValueError(f"task_kind is no task{nearest(kind, TASKS)}")
        return value if isinstance(value, Task) else TASKS[kind].model_validate(value)

    @property
    def folder(self) -> str:
        """Where the run lives, below the study's results."""
        return f"runs/{self.task_name}/{self.label}/seed{self.seed}"

    @property
    def tokens(self) -> int:
        """Tokens that training reads."""
        return self.training.steps * self.training.batch * self.task.sequence_length


class NamedTask(NamedTuple):
    """A task of a study: its folder's name, its kind, its settings, and what it asks of models and training."""

    name: str
    kind: str
    task: Task
    model: Mapping[str, Any]
    training: Mapping[str, Any]


class Variant(NamedTuple):
    """A model on a task, to be trained once for each seed."""

    task: NamedTask
    label: str
    model: Architecture
    training: Training
    resources: Resources

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
        )


class Study(BaseModel):
    """A study file. Its methods raise UserError, which names the key but not the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    seeds: list[Seed] = Field(min_length=1)
    tasks: dict[Name, dict[str, Any]] = Field(min_length=1)
    models: dict[str, dict[str, Any] | list[dict[str, Any]]] = Field(min_length=1)
    controls: list[Control] = []
    width: int = Field(64, ge=1, le=LARGEST)
    heads: int = Field(4, ge=1, le=LARGEST)
    mlp_width: int | None = Field(None, ge=1, le=LARGEST)
    causal: bool = True
    training: dict[str, Any]
    evaluation: Evaluation = Evaluation()
    ablations: list[str] = Field([], description="names of files in rules/ablations, part of what the study runs")
    ablated: Ablated = Ablated()

    @field_validator("seeds", "controls", "ablations")
    @classmethod
    def _each_once(cls, values: list[Any]) -> list[Any]:
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"{value} stands there twice; name each once")
        return values

    def named_tasks(self) -> list[NamedTask]:
        """The tasks, checked."""
        return [self._task(name, dict(entry)) for name, entry in self.tasks.items()]

    def _task(self, name: str, entry: dict[str, Any]) -> NamedTask:
        where = f"tasks.{name}"
        kind = entry.pop("task", name)
        model, training = (mapping_at(entry.pop(key, {}), f"{where}.{key}") for key in ("model", "training"))
        if not isinstance(kind, str) or kind not in TASKS:
            raise UserError(f"{where}: no such task{nearest(kind, TASKS)}")
        return NamedTask(name, kind, checked(TASKS[kind], entry, where), model, training)

    def variants(self, task: NamedTask) -> list[Variant]:
        """The models of the study on one task, the axes of their grids multiplied out."""
        variants: dict[str, Variant] = {}
        for preset, entries in self.models.items():
            if preset not in ARCHITECTURES:
                raise UserError(f"models.{preset}: no such architecture{nearest(preset, ARCHITECTURES)}")
            for k, entry in enumerate(entries if isinstance(entries, list) else [entries]):
                where = f"models.{preset}.{k}" if isinstance(entries, list) else f"models.{preset}"
                for variant in self._grid(task, preset, dict(entry), where):
                    if variant.label in variants:
                        raise UserError(f"{where}: two models have the label {variant.label}; name each once")
                    variants[variant.label] = variant
        if not variants:
            raise UserError("models: the grid is empty; name at least one model")
        return list(variants.values())

    def _grid(self, task: NamedTask, preset: str, entry: dict[str, Any], where: str) -> Iterator[Variant]:
        own = mapping_at(entry.pop("training", {}), f"{where}.training")
        training = self._training((f"tasks.{task.name}", task.training), (where, own))
        resources = checked(Resources, entry.pop("resources", {}), f"{where}.resources")
        for point in grid(entry, where):
            model = checked(ARCHITECTURES[preset][0], {**self._shared(task), **point}, where)
            if task.task.reads_its_answers and not model.causal:
                raise UserError(f"{where}.causal: found false; {task.name} is read by causal models, set it to true")
            yield self.variant(task, model, training, resources)

    def variant(self, task: NamedTask, model: Architecture, training: Training, resources: Resources) -> Variant:
        """A variant under its label: what differs from the preset and the study's training follows the size."""
        kind = type(model)
        preset = kind.model_validate({**self._shared(task), "n": model.n, "i": model.i})
        usual = self._training((f"tasks.{task.name}", task.training))
        size = f"-n{model.n}" + (f"-i{model.i}" if kind.iterates() else "")
        differing = {**differences(model, preset), **differences(training, usual)}
        label = model.architecture + size + "".join(f"+{key}={_plain(value)}" for key, value in differing.items())
        if len(label) > LONGEST_LABEL:
            raise UserError(f"models.{model.architecture}: the label {label[:60]}… is longer than {LONGEST_LABEL}")
        return Variant(task, label, model, training, resources)

    def _shared(self, task: NamedTask) -> dict[str, Any]:
        own = {"width": self.width, "heads": self.heads, "mlp_width": self.mlp_width, "causal": self.causal}
        return {**own, **task.model}

    def _training(self, *changes: tuple[str, Mapping[str, Any]]) -> Training:
        """The study's training with changes on top, each checked where it stands."""
        merged = dict(self.training)
        training = checked(Training, merged, "training")
        for where, change in changes:
            merged |= change
            training = checked(Training, merged, f"{where}.training")
        return training


def grid(entry: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Multiply out the settings that are given as lists; a list of numbers for `guidance` is one value."""
    axes: dict[str, list[Any]] = {}
    for key, value in entry.items():
        is_axis = isinstance(value, list) and not (key == "guidance" and all(isinstance(v, float | int) for v in value))
        axes[key] = value if is_axis else [value]
        if not axes[key]:
            raise UserError(f"{where}.{key}: an empty list makes an empty grid; name at least one value")
        if any(axes[key].count(v) > 1 for v in axes[key]):
            raise UserError(f"{where}.{key}: a value stands there twice, so two models would have one label")
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def differences(one: BaseModel, other: BaseModel) -> dict[str, Any]:
    """What `one` says otherwise than `other`."""
    usual = other.model_dump()
    return {key: value for key, value in one.model_dump().items() if value != usual[key]}


def _plain(value: Any) -> str:
    """A setting's value as part of a folder's name."""
    return ",".join(map(_plain, value)) if isinstance(value, tuple | list) else str(value).lower()
