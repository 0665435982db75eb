"""The synthetic tasks, by the name that a study file calls them."""

from asura.tasks.addition import Addition
from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.igsm import IGSM
from asura.tasks.phop import PHop
from asura.tasks.prefix_sums import PrefixSums

TASKS: dict[str, type[Task]] = {"phop": PHop, "addition": Addition, "igsm": IGSM, "prefix_sums": PrefixSums}

__all__ = ["IGNORE", "TASKS", "Batch", "Task"]
