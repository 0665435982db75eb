"""How the settings of training are tuned: which are tried, on how many seeds, and for how long."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from asura.common.validation import Settings, nearest
from asura.planning.study_settings import Seeds
from asura.planning.training_settings import KEPT_BITS, Training

FIXED = {"steps", "batch", "accumulate", "precision", "compile", "parallel", "log_steps"}
FIXED |= {"examples", "validation_examples", "start_from", *KEPT_BITS}
"""Settings of training that cannot be tuned: they change what a model costs or sees, or how and not what it learns."""

TUNABLE = [name for name in Training.model_fields if name not in FIXED]
DIGITS = 3
"""Significant digits of a value that is drawn from a range."""


class Range(Settings):
    """A range of numbers."""

    low: float = Field(gt=0, allow_inf_nan=False)
    """The least value."""
    high: float = Field(gt=0, allow_inf_nan=False)
    """The largest value, above `low`."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the range from {self.low} to {self.high} is empty; low must be below high")
        return self


class Tune(Settings):
    """Tuning of training, equal for all: every model, controls included, tries the same settings on the same seeds. The
    settings with the best mean score on the validation split train its final runs."""

    over: dict[str, Annotated[list[Any], Field(min_length=1)] | Range] = Field(min_length=1)
    """What is tried, by settings of `training`: lists of values, of which all combinations are tried, or ranges, from
    which `trials` points are drawn."""
    trials: int | None = Field(None, ge=2, le=1000)
    """Number of points that are drawn from ranges, evenly on a logarithmic scale (a scrambled Halton sequence). Every
    model tries the same points. Only with ranges."""
    seeds: Seeds = Field([0])
    """Seeds with which each setting is tried."""
    steps: float = Field(0.5, gt=0, le=1)
    """Steps of a trial, as a share of the steps of the final runs. Warm-up is shortened alike."""

    @model_validator(mode="after")
    def _can_be_tried(self) -> Self:
        for key, values in self.over.items():
            if key not in TUNABLE:
                known = f"{key} is not tuned" if key in FIXED else "no such setting of training"
                raise ValueError(f"over.{key}: {known}{nearest(key, TUNABLE)}")
            if isinstance(values, list) and any(values.count(value) > 1 for value in values):
                raise ValueError(f"over.{key}: a value stands there twice; name each once")
        ranges = [key for key, values in self.over.items() if isinstance(values, Range)]
        if ranges and self.trials is None:
            raise ValueError(f"over.{ranges[0]} is a range: say with `trials` how many points are drawn")
        if self.trials is not None and not ranges:
            raise ValueError("trials: lists are tried whole; leave it out, or give a range")
        drawn = [tuple(point.values()) for point in self._drawn()]
        if len(different := set(drawn)) < len(drawn):
            found = f"of {len(drawn)} points, only {len(different)} differ in their first {DIGITS} digits"
            raise ValueError(f"trials: {found}; draw fewer, or widen the range")
        return self

    def points(self) -> Iterator[dict[str, Any]]:
        """The settings that are tried, in order."""
        lists = {key: values for key, values in self.over.items() if isinstance(values, list)}
        for drawn in self._drawn():
            for values in product(*lists.values()):
                point = {**dict(zip(lists, values, strict=True)), **drawn}
                yield {key: point[key] for key in self.over}

    def _drawn(self) -> list[dict[str, float]]:
        """Points of the ranges."""
        ranges = {key: values for key, values in self.over.items() if isinstance(values, Range)}
        if not ranges:
            return [{}]
        from scipy.stats import qmc

        found = []
        for place in qmc.Halton(len(ranges), seed=0).random(self.trials):
            logs = zip(ranges.items(), place.tolist(), strict=True)
            found.append({key: _between(span, share) for (key, span), share in logs})
        return found

    def is_at_edge(self, key: str, value: Any) -> bool:
        """Whether a chosen number is the first or last that was tried, so that a better one may lie beyond."""
        tried = sorted({point[key] for point in self.points()}) if _are_numbers(self.over[key]) else []
        return len(tried) > 1 and value in (tried[0], tried[-1])


def trial_training(training: Training, settings: Mapping[str, Any], share: float) -> dict[str, Any]:
    """The settings of training of a trial, whose steps and warm-up are a share of those of the final runs."""
    whole = {**training.model_dump(), **settings}
    shorter = {key: max(1, round(whole[key] * share)) for key in ("steps", "warmup_steps") if whole[key]}
    return {**whole, **shorter}


def _between(span: Range, share: float) -> float:
    value = math.exp(math.log(span.low) + share * math.log(span.high / span.low))
    return float(f"{value:.{DIGITS}g}")


def _are_numbers(values: list[Any] | Range) -> bool:
    return isinstance(values, Range) or all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
