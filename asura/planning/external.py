"""Scores that others report: rows of a study that stand in its tables and figures, and that nothing is run for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from asura.common.errors import UserError
from asura.common.metrics import LESS_IS_BETTER
from asura.common.validation import Settings, nearest
from asura.corpora.benchmarks import BENCHMARKS

if TYPE_CHECKING:  # which imports torch
    from asura.planning.variants import NamedTask

Line = Annotated[str, Field(max_length=200, pattern=r"^\S(.*\S)?$")]
"""Text in one line."""
Score = Annotated[float, Field(allow_inf_nan=False)]
RowsFile = Annotated[str, Field(pattern=r"\.(csv|yaml|yml)$")]
"""The path of a file of rows."""
Scored = Mapping[str, tuple[Collection[str], Collection[str]]]
"""The splits and the metrics of each task, and of each benchmark of a text, which is reported as one."""


class External(Settings):
    """A score that others report. It stands in tables and figures of scores with its source, marked as not run here,
    and in no test, comparison or verdict.

    `external` is a list of rows, such as `{label: theirs, task: phop, metric: accuracy, score: [0.91, 0.94],
    source: "Doe et al., 2026, table 2"}`; or the path of a YAML file with such a list, or of a CSV file whose columns
    are the keys.
    """

    label: Line
    """Name of the model. No model of the study has it."""
    task: str
    """Name of a task of the study. A benchmark of a text is `TEXT/BENCHMARK`."""
    split: str = "test"
    """The split of the task. Tables and figures of models show scores on `test`; the table `external` shows all."""
    metric: str
    """The metric of the score. Tables and figures of models show the one that ranks models on the task."""
    score: Score | Annotated[list[Score], Field(min_length=1)]
    """The score, or a list of one score for each seed. In a CSV file, spaces stand between the scores of seeds."""
    parameters: int | None = Field(None, ge=1)
    """Parameters without embedding and head; null where they are not known."""
    training_flops: float | None = Field(None, gt=0, allow_inf_nan=False)
    """FLOPs of the whole training; null where they are not known."""
    source: Line
    """Where the score is reported, as text or as an address."""

    @field_validator("score", mode="before")
    @classmethod
    def _of_seeds(cls, score: Any) -> Any:
        return score.split() if isinstance(score, str) and " " in score else score


def checked_rows(
    rows: Any, tasks: Iterable["NamedTask"], metrics: Mapping[str, Sequence[str]], models: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of a study, in which each score is a list; `metrics` are those of its tasks. Raises UserError."""
    if isinstance(rows, str):
        raise UserError(f"external: found {rows!r}; the rows of a file are read with the study, give these")
    scored: dict[str, tuple[Collection[str], Collection[str]]] = {
        task.name: (task.task.splits, metrics[task.name]) for task in tasks
    }
    for text, name in [(model["task"], name) for model in models for name in model["benchmarks"]]:
        scored[f"{text}/{name}"] = ("test",), BENCHMARKS[name].metrics
    found: list[dict[str, Any]] = []
    for k, row in enumerate(rows):
        _check(row, f"external.{k}", scored, {model["label"] for model in models})
        scores = row.score if isinstance(row.score, list) else [row.score]
        for score in scores:
            _check_range(score, row.metric, f"external.{k}.score")
        content = row.model_dump() | {"score": scores}
        key = ("label", "task", "split", "metric")
        if any(all(content[name] == other[name] for name in key) for other in found):
            raise UserError(f"external.{k}: {row.label!r} has two rows for one score; name each once")
        found.append(content)
    return found


def _check(row: External, where: str, tasks: Scored, labels: Collection[str]) -> None:
    if row.label in labels:
        raise UserError(f"{where}.label: found {row.label!r}, which is a model of the study; give it another name")
    if row.task not in tasks:
        raise UserError(f"{where}.task: no such task{nearest(row.task, tasks)}")
    splits, metrics = tasks[row.task]
    if row.split not in splits:
        raise UserError(f"{where}.split: {row.task} has no such split{nearest(row.split, splits)}")
    if row.metric not in metrics:
        raise UserError(f"{where}.metric: {row.task} has no such metric{nearest(row.metric, metrics)}")


def _check_range(score: float, metric: str, where: str) -> None:
    if score < 0:
        raise UserError(f"{where}: found {score:g}; {metric} is never less than 0")
    if metric not in LESS_IS_BETTER and score > 1:
        guess = f"; did you mean {score / 100:g}?" if score <= 100 else ""
        raise UserError(f"{where}: found {score:g}; {metric} is a share from 0 to 1{guess}")
