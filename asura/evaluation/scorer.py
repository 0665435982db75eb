"""What a run is scored on, for all of its weights: splits, examples of its training, difficulties."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from asura.common.randomness import generator
from asura.evaluation.accuracy import Asked, Scores, asked_of, task_scores
from asura.evaluation.likelihood import asked_of_text, text_scores
from asura.models.model import Model
from asura.planning.runs import Run
from asura.planning.study_settings import Evaluation
from asura.tasks import Batch
from asura.tasks.text import Text
from asura.training.batches import training_set
from asura.training.devices import autocast
from asura.training.processes import ALONE, Alone

Row = dict[str, Any]


class Scorer:
    """Scores models of a run, always on the same examples."""

    def __init__(self, run: Run, evaluation: Evaluation, device: torch.device, processes: Alone = ALONE) -> None:
        self._run, self._evaluation, self._device, self._processes = run, evaluation, device, processes
        self._metric = evaluation.ranks_by(run.task)
        if isinstance(run.task, Text):
            self._documents = asked_of_text(run.task, evaluation.examples)
        else:
            self._questions = asked_of(run.task, evaluation.examples) | self._trained()

    def _trained(self) -> dict[str, Asked]:
        """Some of the examples that a run is trained on, where these are a fixed set."""
        run = self._run
        if not run.training.examples:
            return {}
        found = training_set(run.task, run.seed, run.training.examples)
        return {"training": Asked(run.task, Batch(*(part[: self._evaluation.examples] for part in found)))}

    def scores(self, model: Model, iterations: Sequence[int]) -> Scores:
        """Of every split."""
        with autocast(self._run.training, self._device):
            if isinstance(self._run.task, Text):
                return text_scores(model, self._documents, iterations, self._device, self._processes)
            return self._of(model, self._questions, iterations)

    def _of(self, model: Model, questions: Mapping[str, Asked], iterations: Sequence[int]) -> Scores:
        return task_scores(model, questions, self._metric, iterations, self._device, self._processes)

    def sweep(self, model: Model, iterations: Sequence[int]) -> Iterator[Row]:
        """Rows of each difficulty that is asked for, and of the trained one."""
        task = self._run.task
        for setting, values in self._evaluation.sweep.items():
            if setting not in task.sweeps:
                continue
            trained = task.difficulty(setting)
            for value in sorted({*values, trained}):
                split = task.at_difficulty(setting, value)
                batch = split.draw(self._evaluation.examples, generator("examples", setting, value))
                with autocast(self._run.training, self._device):
                    found = self._of(model, {setting: Asked(split, batch)}, iterations)
                about = {"setting": setting, "difficulty": value, "trained": trained}
                yield from (about | {key: row[key] for key in row if key != "split"} for row in found.rows)
