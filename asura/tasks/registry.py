"""The tasks that a study may name, each in a file of its own."""

from collections.abc import Callable
from typing import Any, TypeVar

from asura.common.errors import UserError
from asura.common.registry import Registry
from asura.tasks.addition import Addition
from asura.tasks.arithmetic import Arithmetic
from asura.tasks.assignments import Assignments
from asura.tasks.base import Task
from asura.tasks.composition import Composition
from asura.tasks.digits import Digits
from asura.tasks.igsm import IGSM
from asura.tasks.listops import ListOps
from asura.tasks.maze import Maze
from asura.tasks.phop import PHop
from asura.tasks.prefix_sums import PrefixSums
from asura.tasks.reasoning_gym import ReasoningGym
from asura.tasks.sudoku import Sudoku
from asura.tasks.table_lookup import TableLookup
from asura.tasks.text import Text
from asura.tasks.word_problem import WordProblem

AnyTask = TypeVar("AnyTask", bound=Task)

TASKS: Registry[type[Task]] = Registry("task", "asura.tasks")


def task(name: str) -> Callable[[type[AnyTask]], type[AnyTask]]:
    """Register a task under a name.

        @task("modadd")
        class ModAdd(Task): ...

    Raises UserError where the name is taken.
    """

    def register(kind: type[AnyTask]) -> type[AnyTask]:
        TASKS.add(name, kind, kind.__module__)
        return kind

    return register


task("addition")(Addition)
task("arithmetic")(Arithmetic)
task("assignments")(Assignments)
task("composition")(Composition)
task("digits")(Digits)
task("igsm")(IGSM)
task("listops")(ListOps)
task("maze")(Maze)
task("phop")(PHop)
task("prefix_sums")(PrefixSums)
task("reasoning_gym")(ReasoningGym)
task("sudoku")(Sudoku)
task("table_lookup")(TableLookup)
task("text")(Text)
task("word_problem")(WordProblem)


def task_among(kinds: Registry[type[Task]], kind: Any, settings: Any, key: str) -> Task:
    """The task of a kind that the setting `key` names, made of its settings where it is none yet. Raises ValueError."""
    try:
        found = kinds.named(kind)
    except UserError as error:
        raise ValueError(f"{key}: {error}") from None
    return settings if isinstance(settings, Task) else found.model_validate(settings)
