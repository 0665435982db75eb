"""States of a model at the asked positions, which analyses compare and read: a matrix for each place in a pass."""

import torch
from torch import Tensor

from asura.analysis.readings import path
from asura.analysis.subject import Subject
from asura.models.model import Model
from asura.tasks import IGNORE, Batch


def at_most(subject: Subject, positions: int) -> Subject:
    """The subject, asked at no more than so many positions, which are the same for every model."""
    asked = subject.asked.nonzero()
    order = torch.randperm(len(asked), generator=subject.generator("positions"))
    rows, places = asked[order[:positions]].unbind(1)
    tokens, targets = subject.batch
    kept = torch.full_like(targets, IGNORE)
    kept[rows, places] = targets[rows, places]
    return subject._replace(batch=Batch(tokens, kept))


def states(subject: Subject, model: Model, iterations: int | None = None) -> Tensor:
    """The embedding and the state after each iteration, or block of a stack, at asked positions: (1 + places, N, d)."""

    def measure(part: Batch) -> dict[str, Tensor]:
        asked = part.targets != IGNORE
        found = [model.embed(part.tokens)[asked].T]
        found += [each.state[asked].T for each in path(model, part.tokens, iterations)]
        return {"states": torch.stack(found)}  # examples come last

    places = 1 + (iterations or model.settings.i) * model.settings.n
    return subject.gathered(measure, places * model.settings.width)["states"].transpose(1, 2)
