"""The processes that share a run, as torchrun describes them to each in its environment."""

import os
from typing import NamedTuple

from asura.common.errors import UserError

OF_SEVERAL = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
REMEDY = "for one process, unset WORLD_SIZE, RANK and LOCAL_RANK; for several, use --processes or torchrun"


class World(NamedTuple):
    """How many processes there are, the index of this one, and both on this machine alone."""

    size: int
    rank: int
    local_size: int
    local_rank: int


def world() -> World:
    """What the environment says; without WORLD_SIZE, one process. A variable that is empty is one that is not set.

    Raises UserError where the variables contradict each other: they may be left over from something else.
    """
    size = _number("WORLD_SIZE", 1)
    missing = [name for name in OF_SEVERAL if not os.environ.get(name, "").strip()]
    if size > 1 and missing:
        raise UserError(f"WORLD_SIZE: found {size} without {', '.join(missing)}; {REMEDY}")
    local_rank = _below(size, "LOCAL_RANK")
    return World(size, _below(size, "RANK"), max(_number("LOCAL_WORLD_SIZE", 1), local_rank + 1), local_rank)


def _below(size: int, name: str) -> int:
    number = _number(name, 0)
    if number >= size:
        raise UserError(f"{name}: found {number}, but WORLD_SIZE is {size}; {REMEDY}")
    return number


def _number(name: str, least: int) -> int:
    """A variable's number, or the least it may be where it is not set."""
    text = os.environ.get(name, "").strip()
    if not text:
        return least
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{name}: found {text!r}; it must be a number from {least}; {REMEDY}")
    return int(text)
