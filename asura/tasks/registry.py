"""The tasks that a study may name, each in a file of its own."""

from collections.abc import Mapping
from typing import Any

from asura.common.validation import nearest
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

TASKS: dict[str, type[Task]] = {
    "addition": Addition,
    "arithmetic": Arithmetic,
    "assignments": Assignments,
    "composition": Composition,
    "digits": Digits,
    "igsm": IGSM,
    "listops": ListOps,
    "maze": Maze,
    "phop": PHop,
    "prefix_sums": PrefixSums,
    "reasoning_gym": ReasoningGym,
    "sudoku": Sudoku,
    "table_lookup": TableLookup,
    "text": Text,
    "word_problem": WordProblem,
}


def task_among(kinds: Mapping[str, type[Task]], kind: Any, settings: Any, key: str) -> Task:
    """The task of a kind that the setting `key` names, made of its settings where it is none yet. Raises ValueError."""
    if kind not in kinds:
        raise ValueError(f"{key} is no task{nearest(kind, kinds)}")
    return settings if isinstance(settings, Task) else kinds[kind].model_validate(settings)
