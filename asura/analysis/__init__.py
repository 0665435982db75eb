"""Analyses of trained models by name: each is a function from a subject and its settings to rows."""

from collections.abc import Callable
from typing import Any

from asura.analysis.dynamics import dynamics
from asura.analysis.exits import exits
from asura.analysis.lens import lens
from asura.analysis.steps import steps
from asura.analysis.subject import Subject, Tables

ANALYSES: dict[str, Callable[[Subject, Any], Tables]] = {
    "lens": lens,
    "steps": steps,
    "dynamics": dynamics,
    "exits": exits,
}
