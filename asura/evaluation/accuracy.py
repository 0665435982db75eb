"""Accuracy of a model on a task, at every number of iterations in one pass over them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from asura.models.model import Model
from asura.randomness import generator
from asura.tasks import IGNORE, Task
from asura.training.processes import ALONE, Alone

TOKENS_AT_ONCE = 1 << 13


class Score(NamedTuple):
    """A metric's value with its standard error over examples, `examples` of which were asked anything."""

    metric: str
    value: float
    standard_error: float
    examples: int


def task_rows(
    model: Model, task: Task, iterations: int, examples: int, device: torch.device, processes: Alone = ALONE
) -> Iterator[dict[str, Any]]:
    """One row for each split, number of iterations (1 to `iterations`) and metric or measure of the model."""
    for name, split in task.splits.items():
        tokens, targets = split.draw(examples, generator("evaluation", name))
        correct, measures = answers(model, tokens, targets, iterations, device, processes)
        asked = (targets != IGNORE).sum(1)
        for t, right in enumerate(correct, start=1):
            scores = [accuracy(right, asked), exact_match(right, asked)]
            scores += [mean(measure, values[t - 1]) for measure, values in measures.items()]
            for score in scores:
                yield {"split": name, "iterations": t, **score._asdict()}


@torch.no_grad()
def answers(
    model: Model, tokens: Tensor, targets: Tensor, iterations: int, device: torch.device, processes: Alone = ALONE
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of each example after each iteration, how many answers are right, and the model's measures.

    Each is (iterations, examples), on the CPU.
    """
    at_once = max(1, TOKENS_AT_ONCE // tokens.shape[1])
    shape = (iterations if model.settings.iterates() else model.settings.i, len(tokens))
    correct = torch.zeros(shape, dtype=torch.int64)
    measures = {name: torch.zeros(shape) for name in model.measured}
    for start in processes.mine(range(0, len(tokens), at_once)):
        rows = slice(start, start + at_once)
        some, wanted = tokens[rows].to(device), targets[rows].to(device)
        states = [(model.read(state), model.measures(state)) for state in model.trajectory(some, iterations)]
        correct[:, rows] = torch.stack([(model.logits(z).argmax(-1) == wanted).sum(1) for z, _ in states])
        for name, values in measures.items():
            values[:, rows] = torch.stack([found[name] for _, found in states])
    return processes.total(correct)[0], {name: processes.total(values)[0] for name, values in measures.items()}


def mean(name: str, values: Tensor) -> Score:
    """Mean of a measure, (examples,), with its standard error."""
    values = values.double()
    return Score(name, values.mean().item(), (values.var() / len(values)).sqrt().item(), len(values))


def accuracy(correct: Tensor, asked: Tensor) -> Score:
    """Share of asked positions that are answered rightly; both arguments are (examples,)."""
    return ratio("accuracy", correct, asked)


def ratio(name: str, part: Tensor, whole: Tensor) -> Score:
    """The sum of `part` over that of `whole`, both (examples,), of the examples that have any.

    What is counted within one example is not independent: the standard error is that of a ratio estimated from
    clusters (Cochran, 1977, equation 6.13).
    """
    part, whole = part[whole > 0].double(), whole[whole > 0].double()
    count, total = len(whole), whole.sum().item()
    if not count:
        return Score(name, float("nan"), float("nan"), 0)
    value = part.sum().item() / total
    residual = (part - value * whole).square().sum().item()
    return Score(name, value, (residual * count / max(1, count - 1)) ** 0.5 / total, count)


def exact_match(correct: Tensor, asked: Tensor) -> Score:
    """Share of the examples of which every asked position is answered rightly; both arguments are (examples,)."""
    return accuracy(((correct == asked) & (asked > 0)).long(), (asked > 0).long())._replace(metric="exact_match")
