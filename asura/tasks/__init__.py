"""The kinds of tasks that a run may have: those of the registry, and any of them in the words of a text."""

from typing import Any

from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.in_words import Written
from asura.tasks.registry import TASKS, task, task_among


def task_of_kind(kind: Any, settings: Any, key: str) -> Task:
    """The task of a kind that the setting `key` names, made of its settings where it is none yet. Raises ValueError."""
    if kind != "written":
        return task_among(TASKS, kind, settings, key)
    return settings if isinstance(settings, Task) else Written.model_validate(settings)


__all__ = ["IGNORE", "TASKS", "Batch", "Task", "task", "task_of_kind"]
