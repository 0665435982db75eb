"""What is to be run: a study file, checked and expanded into variants of models, tasks and seeds.

configs/*.yaml ─ Study ─> Variant (model, task, training) ─ × seed ─> Run ─> run.json
"""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)

from asura.errors import UserError
from asura.models import ARCHITECTURES, AnyArchitecture
from asura.models.layers import Architecture
from asura.tasks import TASKS, Task
from asura.validation import explain, nearest

FORMAT = 1
"""Version of run.json; raised when a file of an earlier one can no longer be run."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
AnyModel = TypeVar("AnyModel", bound=BaseModel)
Control = Literal["iso_param", "iso_flop", "iso_both", "iso_recursion"]


class Training(BaseModel):
    """How a model is trained; the same for ASURA and its controls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1)
    batch: int = Field(32, ge=1, description="sequences in one step")
    accumulate: int = Field(1, ge=1, description="parts that a batch is cut into, one after the other")
    optimiser: Literal["adamw", "adafactor", "muon"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0, allow_inf_nan=False)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    schedule: Literal["cosine", "constant", "warmup_stable_decay"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    decay_fraction: float = Field(0.2, gt=0, le=1, description="share of the steps that warmup_stable_decay decays")
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

    iterations: Literal["trained", "up_to_twice"] = "up_to_twice"
    examples: int = Field(2560, ge=1, description="2,500 give a standard error below 1 % whatever the score")


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
    seed: int = Field(ge=0, lt=2**63)

    @field_validator("task", mode="before")
    @classmethod
    def _task_of_its_kind(cls, value: Any, info: Any) -> Any:
        kind = info.data.get("task_kind")
        return value if isinstance(value, Task) else task_type(kind, "task_kind").model_validate(value)

    @property
    def folder(self) -> str:
        """Where the run lives, below the study's results."""
        return f"runs/{self.task_name}/{self.label}/seed{self.seed}"


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

    def run(self, seed: int) -> Run:
        """The run of one seed."""
        task = self.task
        return Run.model_construct(
            task_name=task.name, task_kind=task.kind, task=task.task, label=self.label, model=self.model,
            training=self.training, seed=seed,
        )  # fmt: skip


class Study(BaseModel):
    """A study file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field(min_length=1)
    tasks: dict[Name, dict[str, Any]] = Field(min_length=1)
    models: dict[str, dict[str, Any] | list[dict[str, Any]]] = Field(min_length=1)
    controls: list[Control] = []
    width: int = Field(64, ge=1)
    heads: int = Field(4, ge=1)
    mlp_width: int | None = Field(None, ge=1)
    causal: bool = True
    training: dict[str, Any]
    evaluation: Evaluation = Evaluation()

    @field_validator("seeds", "controls")
    @classmethod
    def _each_once(cls, values: list[Any]) -> list[Any]:
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"{value} stands there twice; name each once")
        return values

    @classmethod
    def from_config(cls, config: Mapping[str, Any], source: str) -> "Study":
        """Check a study's mapping; `source` is the file that errors name. Raises UserError."""
        return checked(cls, dict(config), source, "")

    @classmethod
    def load(cls, path: Path) -> "Study":
        """Read and check a study file. Raises UserError."""
        return cls.from_config(read_yaml(path), str(path))

    def named_tasks(self, source: str) -> list[NamedTask]:
        """The tasks, checked."""
        return [self._task(name, entry, f"tasks.{name}", source) for name, entry in self.tasks.items()]

    def _task(self, name: str, entry: Mapping[str, Any], where: str, source: str) -> NamedTask:
        entry = dict(entry)
        kind = entry.pop("task", name)
        model, training = (dict_at(entry.pop(key, {}), f"{where}.{key}", source) for key in ("model", "training"))
        try:
            task = checked(task_type(kind, f"{where}.task"), entry, source, where)
        except UserError as error:
            raise error if source in str(error) else UserError(f"{source}: {error}") from None
        return NamedTask(name, kind, task, model, training)

    def variants(self, task: NamedTask, source: str) -> Iterator[Variant]:
        """The models of the study on one task, the axes of their grids multiplied out."""
        for preset, entries in self.models.items():
            for k, entry in enumerate(entries if isinstance(entries, list) else [entries]):
                where = f"models.{preset}" + (f".{k}" if isinstance(entries, list) else "")
                if preset not in ARCHITECTURES:
                    raise UserError(f"{source}: {where}: no such architecture{nearest(preset, ARCHITECTURES)}")
                settings = ARCHITECTURES[preset][0]
                training = self._training(task, entry.get("training", {}), where, source)
                rest = {key: value for key, value in entry.items() if key != "training"}
                for point in grid(settings, rest, f"{source}: {where}"):
                    model = checked(settings, {**self._shared(task), **point}, source, where)
                    if task.task.reads_its_answers and not model.causal:
                        raise UserError(f"{source}: {where}.causal: {task.name} asks for causal models; set it to true")
                    yield self.variant(task, model, training)

    def variant(self, task: NamedTask, model: Architecture, training: Training) -> Variant:
        """A variant under its label: what differs from the preset and from the study's training follows the size."""
        kind = type(model)
        preset = kind.model_validate({**self._shared(task), "n": model.n, "i": model.i})
        usual = checked(Training, {**self.training, **task.training}, self.name, "training")
        size = f"-n{model.n}" + (f"-i{model.i}" if kind.model_fields["i"].annotation is int else "")
        differing = {**differences(model, preset), **differences(training, usual)}
        label = model.architecture + size + "".join(f"+{key}={plain(value)}" for key, value in differing.items())
        return Variant(task, label, model, training)

    def _shared(self, task: NamedTask) -> dict[str, Any]:
        own = {"width": self.width, "heads": self.heads, "mlp_width": self.mlp_width, "causal": self.causal}
        return {**own, **task.model}

    def _training(self, task: NamedTask, own: Any, where: str, source: str) -> Training:
        steps = (
            ("training", self.training), (f"tasks.{task.name}.training", task.training),
            (f"{where}.training", dict_at(own, f"{where}.training", source)),
        )  # fmt: skip
        merged: dict[str, Any] = {}
        for place, changes in steps:
            merged |= changes
            checked(Training, merged, source, place)
        return Training.model_validate(merged)


def task_type(kind: Any, where: str) -> type[Task]:
    """The settings class of a kind of task. Raises UserError."""
    if not isinstance(kind, str) or kind not in TASKS:
        raise UserError(f"{where}: no such task{nearest(kind, TASKS)}")
    return TASKS[kind]


def grid(settings: type[Architecture], entry: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Multiply out the settings that are given as lists; a list of numbers for `guidance` is one value."""
    axes: dict[str, list[Any]] = {}
    for key, value in entry.items():
        single = key == "guidance" and isinstance(value, list) and not any(isinstance(v, list | str) for v in value)
        axes[key] = value if isinstance(value, list) and not single else [value]
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


def plain(value: Any) -> str:
    """A setting's value as part of a folder's name."""
    return ",".join(map(plain, value)) if isinstance(value, tuple | list) else str(value).lower()


def dict_at(value: Any, where: str, source: str) -> dict[str, Any]:
    """`value` if it is a mapping. Raises UserError."""
    if not isinstance(value, dict):
        raise UserError(f"{source}: {where}: found {value!r}; give a mapping of settings")
    return dict(value)


def checked(kind: type[AnyModel], data: Any, source: str, where: str) -> AnyModel:
    """Validate, and say what is wrong in one line. Raises UserError."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{source}: {explain(error, kind, where)}") from None


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that stands twice rather than dropping the first."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands there twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file. Raises UserError."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: it cannot be read ({error})") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: it is not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}; a study is a mapping of keys to values")
    return content
