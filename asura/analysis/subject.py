"""What an analysis is given: a trained model, the examples that it looks at, and a stack to compare it with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from asura.common.errors import UserError
from asura.common.randomness import generator
from asura.evaluation.evaluate import load_trained
from asura.models.model import Model
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run
from asura.tasks import IGNORE, Batch, Task

NUMBERS_AT_ONCE = 1 << 24
"""Logits, or numbers of the states of all iterations, that are held together."""

Row = dict[str, Any]
Tables = dict[str, list[Row]]
"""What an analysis has found: rows by the name of their table, NAME or NAME_PART."""


class NotApplicable(Exception):
    """An analysis says nothing about a model; the message says why, in one line."""


class Subject(NamedTuple):
    """A trained model, in evaluation and in float32.

    batch: examples of the test split.
    stack: the model of the same seed that is its control of equal FLOPs, a stack of blocks; None if there is none.
    """

    run: Run
    model: Model
    batch: Batch
    stack: Model | None = None

    @property
    def task(self) -> Task:
        """The task of the run."""
        return self.run.task

    @property
    def i(self) -> int:
        """The trained number of iterations."""
        return self.model.settings.i

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.head.weight.device

    @property
    def asked(self) -> Tensor:
        """The positions that are asked, (B, T)."""
        return self.batch.targets != IGNORE

    def generator(self, *purpose: Any) -> Generator:
        """The random numbers of a purpose: the same for every model."""
        return generator("analysis", *purpose)

    def parts(self, numbers: int) -> Iterator[Batch]:
        """The examples in parts, on the model's device, where each position takes so many numbers."""
        size = max(1, NUMBERS_AT_ONCE // (numbers * self.batch.tokens.shape[1]))
        tokens, targets = (part.split(size) for part in self.batch)
        yield from (Batch(a.to(self.device), b.to(self.device)) for a, b in zip(tokens, targets, strict=True))

    @torch.no_grad()
    def gathered(self, measure: Callable[[Batch], dict[str, Tensor]], numbers: int) -> dict[str, Tensor]:
        """What is measured of the examples, part by part, joined along the last dimension, on the CPU."""
        found = [measure(part) for part in self.parts(numbers)]
        return {name: torch.cat([part[name] for part in found], -1).cpu() for name in found[0]}


def needs_iterations(subject: Subject) -> None:
    """Raises NotApplicable for a model that does not iterate."""
    if not subject.model.settings.iterates():
        raise NotApplicable("it does not iterate")


def subject_of(
    run: str | Path, examples: int = 128, stack: Path | None = None, device: torch.device | str = "cpu"
) -> Subject:
    """A trained run as the subject of analyses.

    run: the folder of the run, results/NAME/runs/TASK/MODEL/seedN.
    examples: how many of the test split; all models see the same.
    stack: the folder of the run of its control of equal FLOPs, which only similarity looks at.

    Raises UserError where training has not ended well, or weights are damaged.
    """
    device = torch.device(device)
    settings, model = load_trained(Path(run), device)
    batch = settings.task.splits["test"].draw(examples, generator("examples", "test"))
    return Subject(settings, model, batch, _stack(stack, device))


def _stack(path: Path | None, device: torch.device) -> Model | None:
    """The trained stack in a folder; None where it is not there, or its training did not finish."""
    if path is None or not RunFolder(path).record.is_file():
        return None
    try:
        return load_trained(path, device)[1]
    except UserError:
        return None
