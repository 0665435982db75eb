"""Which analyses of trained models a study asks for, and their settings."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from asura.common.errors import UserError
from asura.common.validation import LARGEST, Settings, nearest
from asura.planning.study_settings import EACH_ONCE, each_once

if TYPE_CHECKING:  # which imports torch
    from asura.models.settings import Architecture

Count = Annotated[int, Field(ge=1, le=LARGEST)]


class Lens(Settings):
    """What the head reads after every iteration and every block."""

    iterations: Count | None = None
    """Number of iterations; null for the trained number."""


class Steps(Settings):
    """Which step of a task an iteration has taken: how often its answers are those after k steps."""

    iterations: Count | None = None
    """Number of iterations; null for the trained number."""


class Dynamics(Settings):
    """Where the sequence of states goes: norms, steps, angles, cycles, and paths in the plane of two components."""

    iterations: int = Field(64, ge=4, le=LARGEST)
    """Number of iterations. It must be more than the trained number."""
    paths: Count = 6
    """Number of positions whose paths are shown."""


class FixedPoints(Settings):
    """Whether an iteration contracts, whether states converge, and whether the end depends on the start."""

    iterations: int = Field(64, ge=4, le=LARGEST)
    """Number of iterations. It must be more than the trained number."""
    examples: Count = 8
    """Examples whose Jacobians are taken, the first ones."""
    tolerance: float = Field(1e-3, gt=0, lt=1)
    """Relative step below which a position has converged."""


class Similarity(Settings):
    """How alike the states of iterations are, and those of iterations and blocks of the stack of equal FLOPs."""

    iterations: Count | None = None
    """Number of iterations; null for the trained number."""
    positions: int = Field(4096, ge=4, le=LARGEST)
    """Asked positions whose states are compared, at most."""


class Probes(Settings):
    """What a linear map reads of the state: the answer after each number of steps."""

    iterations: Count | None = None
    """Number of iterations; null for the trained number."""
    positions: int = Field(4096, ge=4, le=LARGEST)
    """Asked positions that probes are trained and scored on, at most; half of the examples are for scoring."""


class Interventions(Settings):
    """What becomes of the answer when the state of an iteration is replaced, or the returning input is cut off."""

    iterations: Count | None = None
    """Number of iterations; null for the trained number."""
    places: Count = 16
    """Iterations that are changed, each by itself; of more, so many at equal distances."""


class Exits(Settings):
    """Positions that stop early, and what that saves."""

    thresholds: int = Field(6, ge=1, le=100)
    """Number of thresholds of each criterion: quantiles of its values on the validation split."""
    tolerance: float = Field(0.01, ge=0, le=1)
    """Accuracy on the validation split that the chosen threshold may lose."""


class Analyses(Settings):
    """Analyses of trained models. They train nothing. Each is left out where it is not named; `{}` asks for one with
    its usual settings."""

    models: Annotated[list[str], Field(min_length=1, json_schema_extra=EACH_ONCE), AfterValidator(each_once)] | None = (
        None
    )
    """Labels of the models that are analysed; null for all."""
    examples: int = Field(128, ge=4, le=LARGEST)
    """Examples of the test split; of a text, windows. All models see the same."""
    lens: Lens | None = None
    """What the head reads after every iteration and every block (logit lens, nostalgebraist, 2020)."""
    steps: Steps | None = None
    """Which step of a task each iteration has taken. Only tasks that know the answers after fewer steps."""
    dynamics: Dynamics | None = None
    """Where the sequence of states goes, far beyond the trained number of iterations."""
    fixed_points: FixedPoints | None = None
    """Whether an iteration contracts, whether states converge, and whether the end depends on the start (Anil et al.,
    2022, arXiv 2211.09961)."""
    similarity: Similarity | None = None
    """How alike the states of iterations are (CKA, Kornblith et al., 2019, arXiv 1905.00414)."""
    probes: Probes | None = None
    """What linear probes read of the state. Only tasks that know the answers after fewer steps."""
    interventions: Interventions | None = None
    """What the answer depends on: states are replaced, and the returning input is cut off."""
    exits: Exits | None = None
    """Positions that stop early by what they predict, or by chance, and what that saves."""

    def asked(self) -> Iterator[tuple[str, Settings]]:
        """The analyses that are asked for, with their settings."""
        for name in ANALYSES:
            if (settings := getattr(self, name)) is not None:
                yield name, settings

    def check(self, models: Mapping[str, "Architecture"]) -> None:
        """Raises UserError where they cannot be made of the models of a study, by label, or none is named."""
        if not list(self.asked()):
            raise UserError(f"analyses: none is named; add one of {', '.join(ANALYSES)}")
        for label in self.models or ():
            if label not in models:
                raise UserError(f"analyses.models: no such model{nearest(label, models)}")
        for name, settings in self.asked():
            beyond = getattr(settings, "iterations", None) if name in BEYOND else None
            for label, model in models.items():
                if beyond and beyond <= model.i and label in (self.models or models):
                    raise UserError(f"analyses.{name}.iterations: found {beyond}; {label} is trained with {model.i}")


ANALYSES = [name for name in Analyses.model_fields if name not in ("models", "examples")]
"""Names of the analyses, in the order in which their figures are read."""

BEYOND = ("dynamics", "fixed_points")
"""Analyses that go beyond the trained number of iterations."""
