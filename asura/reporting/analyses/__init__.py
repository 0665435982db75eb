"""The figures of analyses by name: each is a function from the frames of a task, Results and the task to a figure.

A frame has the columns `task`, `label` and `seed` of a run before those of the analysis.
"""

from collections.abc import Callable

from asura.reporting.analyses.dynamics import dynamics
from asura.reporting.analyses.exits import exits
from asura.reporting.analyses.fixed_points import fixed_points
from asura.reporting.analyses.interventions import interventions
from asura.reporting.analyses.lens import lens
from asura.reporting.analyses.probes import probes
from asura.reporting.analyses.shared import Found
from asura.reporting.analyses.similarity import similarity
from asura.reporting.analyses.steps import steps
from asura.reporting.figures.style import Drawn
from asura.reporting.frames import Results

FIGURES: dict[str, Callable[[Found, Results, str], Drawn]] = {
    "lens": lens,
    "steps": steps,
    "dynamics": dynamics,
    "fixed_points": fixed_points,
    "similarity": similarity,
    "probes": probes,
    "interventions": interventions,
    "exits": exits,
}

__all__ = ["FIGURES", "Found"]
