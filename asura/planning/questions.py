"""The questions of a study, checked against its models: each names two of them, a task, and a metric that it has."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from asura.common.errors import UserError
from asura.common.validation import nearest
from asura.corpora.benchmarks import BENCHMARKS
from asura.planning.study_settings import Question

Rows = Sequence[Mapping[str, Any]]
Metrics = Mapping[str, Sequence[str]]


def asked_of(questions: Sequence[Question], models: Rows, roles: Rows, metrics: Metrics) -> list[Question]:
    """The questions with labels for controls, and with the task and the metric of each; `metrics` are those of tasks.

    Raises UserError.
    """
    found: list[Question] = []
    for k, question in enumerate(questions):
        asked = _asked(question, f"questions.{k}", models, roles, metrics)
        for earlier in found:
            if all(getattr(asked, key) == getattr(earlier, key) for key in ("task", "row", "reference", "metric")):
                raise UserError(f"questions.{k}: it asks the same as an earlier question; ask each once")
        found.append(asked)
    return found


def _asked(question: Question, where: str, models: Rows, roles: Rows, metrics: Metrics) -> Question:
    task = _task(question.task, where, models)
    of_task = [model for model in models if model["task"] == task.split("/")[0]]
    labels = [model["label"] for model in of_task]
    controls = {
        (role["control"], role["control_of"]): role["label"] for role in roles if role["task"] == of_task[0]["task"]
    }
    row = _label(question.row, question.reference, f"{where}.row", labels, controls)
    reference = _label(question.reference, row, f"{where}.reference", labels, controls)
    if row == reference:
        raise UserError(f"{where}.reference: found {reference!r}, which is the row too; name another model")
    if question.margin is not None and question.metric is None:
        raise UserError(f"{where}.margin: found {question.margin} without a metric; name the metric that it is in")
    name, *benchmark = task.split("/")
    allowed = BENCHMARKS[benchmark[0]].metrics if benchmark else metrics[name]
    metric = question.metric or (BENCHMARKS[benchmark[0]].headline if benchmark else of_task[0]["metric"])
    if metric not in allowed:
        raise UserError(f"{where}.metric: {task} has no such metric{nearest(metric, allowed)}")
    return question.model_copy(update={"task": task, "row": row, "reference": reference, "metric": metric})


def _task(name: str | None, where: str, models: Rows) -> str:
    tasks = list(dict.fromkeys(model["task"] for model in models))
    named = [*tasks, *(f"{model['task']}/{benchmark}" for model in models for benchmark in model["benchmarks"])]
    if name is None and len(tasks) > 1:
        raise UserError(f"{where}.task: it is missing; the study has several tasks: {', '.join(tasks)}")
    if name is not None and name not in named:
        raise UserError(f"{where}.task: no such task{nearest(name, named)}")
    return name or tasks[0]


def _label(name: str, other: str, where: str, labels: Collection[str], controls: Mapping[tuple[str, str], str]) -> str:
    """The label of a model that is named by it, or as a control of the other model of the question."""
    if name in labels:
        return name
    of_cells = {control for control, _ in controls}
    if name in of_cells:
        if (name, other) in controls:
            return controls[name, other]
        cells = sorted(cell for control, cell in controls if control == name)
        raise UserError(f"{where}: {other!r} has no control {name}; these models have it: {', '.join(cells)}")
    raise UserError(f"{where}: no such model in the study{nearest(name, [*labels, *of_cells])}")
