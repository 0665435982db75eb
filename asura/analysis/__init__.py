"""Analyses of trained models by name: each is a function from a subject and its settings to rows."""

from collections.abc import Callable
from typing import Any

from asura.analysis.dynamics import dynamics
from asura.analysis.exits import exits
from asura.analysis.fixed_points import fixed_points
from asura.analysis.interventions import interventions
from asura.analysis.lens import lens
from asura.analysis.probes import probes
from asura.analysis.similarity import similarity
from asura.analysis.steps import steps
from asura.analysis.subject import Subject, Tables, subject_of

ANALYSES: dict[str, Callable[[Subject, Any], Tables]] = {
    "lens": lens,
    "steps": steps,
    "dynamics": dynamics,
    "fixed_points": fixed_points,
    "similarity": similarity,
    "probes": probes,
    "interventions": interventions,
    "exits": exits,
}

__all__ = ["ANALYSES", *ANALYSES, "Subject", "Tables", "subject_of"]
