"""What several benchmarks need: runs that stand in no study, on tokens without meaning, and peaks of cards."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator

from asura.models import ARCHITECTURES
from asura.planning.runs import Run
from asura.planning.training_settings import Training
from asura.tasks.base import Batch, Task
from asura.training.devices import describe

Row = dict[str, Any]
"""Of a table, by the names of its columns."""

Case = tuple[str, Callable[[], Row]]
"""A name, and what measures its row."""

PEAKS = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H200": 989e12, "NVIDIA A100": 312e12}
"""Dense bfloat16 FLOP/s as published, by the beginning of the card's name."""


def peak_of(device: torch.device) -> float | None:
    """The peak of a card in FLOP/s, where it is known."""
    return next((peak for beginning, peak in PEAKS.items() if describe(device).startswith(beginning)), None)


class RandomTokens(Task):
    """Tokens without meaning."""

    tokens: int
    length: int

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.tokens

    @property
    def sequence_length(self) -> int:
        """Number of positions."""
        return self.length

    def draw(self, count: int, generator: Generator) -> Batch:
        """Each position is drawn by itself, and so is its target."""
        return Batch(*torch.randint(self.tokens, (2, count, self.length), generator=generator))


def run_of(model: dict[str, Any], task: Task, seed: int = 0, **training: Any) -> Run:
    """A run that stands in no study."""
    about: dict[str, Any] = {
        "model": ARCHITECTURES[model["architecture"]][0].model_validate(model),
        "training": Training.model_validate({"steps": 10**6, **training}),
    }
    return Run.model_construct(label=name_of(model), task=task, seed=seed, **about)


def name_of(model: dict[str, Any]) -> str:
    """As it is called in tables, with n × i."""
    return f"{model['architecture']} {model['n']}×{model.get('i', 1)}"


def wait(device: torch.device) -> None:
    """Until the device has done its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize()
