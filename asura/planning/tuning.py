"""Trials: the runs by which a study tunes the training of each of its models, controls included."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from asura.common.errors import UserError
from asura.planning.factories import training_of
from asura.planning.study import Study
from asura.planning.tune_settings import Tune, trial_training
from asura.planning.variants import Variant

Place = tuple[str, str]
"""Task and label of a model."""


class Trial(NamedTuple):
    """A model on a task with settings that are tried."""

    place: Place
    settings: dict[str, Any]
    variant: Variant


def trials_of(study: Study, variants: Mapping[Place, Variant]) -> list[Trial]:
    """The trials of every model of a study: the same settings, in the same order. Raises UserError."""
    if study.tune is None:
        return []
    _refuse_fixed(study, study.tune)
    return [
        trial for place, variant in variants.items() for trial in _trials_of_model(study, study.tune, place, variant)
    ]


def _trials_of_model(study: Study, tune: Tune, place: Place, variant: Variant) -> Iterator[Trial]:
    if variant.start:
        raise UserError(f"tune: {variant.label} on {variant.task.name} starts from other weights, and cannot be tuned")
    for settings in tune.points():
        training = training_of(trial_training(variant.training, settings, tune.steps), "tune.over")
        own = study.variant(variant.task, variant.model, training, variant.resources)
        yield Trial(place, settings, own)


def _refuse_fixed(study: Study, tune: Tune) -> None:
    """Raise UserError where a setting that is tuned is given to some models."""
    for where, training in _trainings(study):
        for key in tune.over:
            if key in training:
                raise UserError(f"tune.over.{key}: {where}.training fixes it; leave it out in one of them")


def _trainings(study: Study) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a study says of training anywhere but for all models, and where."""
    places = {"models": study.models}
    for name, entry in study.tasks.items():
        yield f"tasks.{name}", entry.get("training", {})
        places[f"tasks.{name}.models"] = entry.get("models") or {}
    for where, models in places.items():
        for name, entries in models.items():
            for entry in entries if isinstance(entries, list) else [entries]:
                yield f"{where}.{name}", entry.get("training", {})
    if isinstance(study.controls, dict):
        for control, own in study.controls.items():
            yield f"controls.{control}", own.training
