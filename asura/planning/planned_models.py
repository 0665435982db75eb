"""The models of a plan: cells, their controls, the models whose weights they start from, and those of other code."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from asura.common.errors import UserError
from asura.planning.evaluated import evaluated_variants
from asura.planning.matching import controls
from asura.planning.study import Study
from asura.planning.tune_settings import Tune
from asura.planning.tuning import Place, Trial
from asura.planning.variants import NamedTask, Variant


@dataclass
class PlannedModels:
    """Models by task and label, in the order of the rows of tables.

    seeds: those that each is trained with.
    roles: one row for each control of each cell, as `Plan` has them.
    """

    variants: dict[Place, Variant] = field(default_factory=dict)
    seeds: dict[Place, tuple[int, ...]] = field(default_factory=dict)
    roles: list[dict[str, Any]] = field(default_factory=list)

    def add(self, variant: Variant, seeds: Iterable[int] = ()) -> Variant:
        """Train a model with these seeds too; returns the model that is at its place, which may have been there."""
        place = variant.task.name, variant.label
        self.add_seeds(place, seeds)
        return self.variants.setdefault(place, variant)

    def add_seeds(self, place: Place, seeds: Iterable[int]) -> None:
        """Train the model at a place with these seeds too."""
        self.seeds[place] = tuple(dict.fromkeys([*self.seeds.get(place, ()), *seeds]))


def models_of(study: Study, tasks: Iterable[NamedTask]) -> PlannedModels:
    """The models of a study. Raises UserError where a control cannot be matched."""
    models = PlannedModels()
    for task in tasks:
        cells = study.variants(task)
        for cell in cells:
            models.add(cell, cell.seeds)
        for cell in cells:
            for control, variant, deviation in controls(study, cell):
                models.add(variant, cell.seeds)
                role = {"task": task.name, "label": variant.label, "control": control}
                models.roles.append(role | {"control_of": cell.label, "deviation": deviation})
    for variant in list(models.variants.values()):
        if variant.start:
            models.add(variant.start)
    return models


def models_of_trials(trials: Iterable[Trial], tune: Tune) -> PlannedModels:
    """The models of the trials that tune a study, each with settings that are tried."""
    models = PlannedModels()
    for trial in trials:
        models.add(trial.variant, tune.seeds)
    return models


def add_evaluated(models: PlannedModels, study: Study, tasks: Iterable[NamedTask]) -> None:
    """Add the models of other code. Raises UserError where one has the label of a model that is there."""
    for variant in evaluated_variants(study, tasks):
        if models.add(variant, variant.seeds) is not variant:
            raise UserError(f"evaluated.{variant.label}: a model of the study has this label; give it another")
