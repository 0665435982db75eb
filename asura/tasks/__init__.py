"""The kinds of tasks that a run may have: those of the registry, and any of them in the words of a text."""

from typing import Any

from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.in_words import Written
from asura.tasks.registry import TASKS, task_among

KINDS: dict[str, type[Task]] = {**TASKS, "written": Written}


def task_of_kind(kind: Any, settings: Any, key: str) -> Task:
    """The task of a kind that the setting `key` names, made of its settings where it is none yet. Raises ValueError."""
    return task_among(KINDS, kind, settings, key)


__all__ = ["IGNORE", "KINDS", "TASKS", "Batch", "Task", "task_of_kind"]
