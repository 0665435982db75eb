"""What a study asks beside the scores of finished models: snapshots in training, difficulties, and sets of examples."""

from collections.abc import Collection, Iterable
from typing import Any

from asura.common.errors import UserError
from asura.common.names import EVALUATED
from asura.common.randomness import generator
from asura.common.validation import checked, nearest
from asura.models.model import LONGEST
from asura.models.settings import Architecture
from asura.planning.runs import Run
from asura.planning.study import NamedTask, Variant
from asura.planning.study_settings import Evaluation
from asura.tasks import Task
from asura.tasks.in_words import Written
from asura.tasks.text import Text


def with_snapshots(run: Run, evaluation: Evaluation) -> Run:
    """The run, told to keep the weights that the evaluation asks for."""
    return run.model_copy(update={"snapshot_steps": _every(run.model, evaluation)})


def asked_of_model(variant: Variant, evaluation: Evaluation) -> dict[str, Any]:
    """What of this a model is asked, for its row in the plan; the settings that are swept are joined by spaces."""
    swept = " ".join(setting for setting in evaluation.sweep if setting in variant.task.task.sweeps)
    return {"examples": variant.training.examples, "every": _every(variant.model, evaluation), "swept": swept or None}


def _every(model: Architecture, evaluation: Evaluation) -> int | None:
    """Steps between two snapshots; a model of other code is not trained, and leaves none."""
    return None if model.architecture == EVALUATED else evaluation.every


def refuse_what_cannot_be(evaluation: Evaluation, tasks: Collection[NamedTask], variants: Iterable[Variant]) -> None:
    """Raises UserError where a study asks for what its tasks or its training cannot give."""
    for setting, values in evaluation.sweep.items():
        _refuse_sweep(f"evaluation.sweep.{setting}", setting, values, tasks)
    for variant in variants:
        where = f"{variant.label} on {variant.task.name}"
        if evaluation.every and evaluation.every > variant.training.steps:
            found = f"evaluation.every: found {evaluation.every}"
            raise UserError(f"{found}; {where} is trained for {variant.training.steps} steps, give at most that")
        if variant.training.examples and isinstance(variant.task.task, Text):
            raise UserError(
                f"training.examples: found {variant.training.examples}; {variant.task.name} is a text, whose documents "
                f"are fixed already: write `tasks: {{{variant.task.name}: {{training: {{examples: null}}}}}}`"
            )
        for setting in variant.task.task.sweeps.keys() & evaluation.sweep.keys():
            at = [variant.task.task.at_difficulty(setting, value) for value in evaluation.sweep[setting]]
            longest = max(task.sequence_length for task in at)
            if variant.model.positions == "learned" and longest > LONGEST:
                learned = f"{where} has learned positions, of which there are {LONGEST}"
                raise UserError(f"evaluation.sweep.{setting}: it asks for sequences of {longest}; {learned}")


def _refuse_sweep(where: str, setting: str, values: Iterable[int], tasks: Collection[NamedTask]) -> None:
    plain = {task.name: task.task.task if isinstance(task.task, Written) else task.task for task in tasks}
    for name, task in plain.items():
        if setting in type(task).model_fields:
            _refuse_values(where, setting, values, name, task)
    known = [own for task in plain.values() for own in task.sweeps]
    if setting not in known:
        raise UserError(f"{where}: no setting over which a task of this study can be swept{nearest(setting, known)}")


def _refuse_values(where: str, setting: str, values: Iterable[int], name: str, task: Task) -> None:
    """Raises UserError where a model of the task cannot be evaluated at these values of one of its settings."""
    can_be, is_number = setting in task.sweeps, isinstance(getattr(task, setting), int)
    for value in values:
        if can_be:
            settings = task.model_dump(exclude_unset=True) | dict.fromkeys(task.sweeps[setting], value)
            checked(type(task), settings, where)
        asked = task.at_difficulty(setting, value) if can_be else task.model_copy(update={setting: value})
        if is_number and asked.vocabulary != task.vocabulary:
            raise UserError(f"{where}: it changes the vocabulary of {name}, which a trained model cannot follow")
        if not can_be:
            raise UserError(f"{where}: the input of {name} does not say it, so no model could know how much to do")
        try:
            asked.draw(1, generator("difficulty"))
        except UserError as error:
            raise UserError(f"{where}: {value} has no examples ({error})") from None
