"""The synthetic tasks, by the name that a study file calls them."""

from asura.tasks.addition import Addition
from asura.tasks.arithmetic import Arithmetic
from asura.tasks.base import IGNORE, Batch, Task
from asura.tasks.composition import Composition
from asura.tasks.igsm import IGSM
from asura.tasks.listops import ListOps
from asura.tasks.phop import PHop
from asura.tasks.prefix_sums import PrefixSums
from asura.tasks.table_lookup import TableLookup

TASKS: dict[str, type[Task]] = {
    "addition": Addition,
    "arithmetic": Arithmetic,
    "composition": Composition,
    "igsm": IGSM,
    "listops": ListOps,
    "phop": PHop,
    "prefix_sums": PrefixSums,
    "table_lookup": TableLookup,
}

__all__ = ["IGNORE", "TASKS", "Batch", "Task"]
