"""Accuracy of a model on a task, at every number of iterations in one pass over them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from asura.models.layers import Model
from asura.randomness import generator
from asura.tasks import IGNORE, Task

TOKENS_AT_ONCE = 1 << 13


class Score(NamedTuple):
    """A metric's value with its standard error over examples, `examples` of which were asked anything."""

    metric: str
    value: float
    standard_error: float
    examples: int


def task_rows(
    model: Model, task: Task, iterations: int, examples: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    """One row for each split, number of iterations (1 to `iterations`) and metric."""
    for name, split in task.splits.items():
        tokens, targets = split.draw(examples, generator("evaluation", name))
        correct = correct_answers(model, tokens, targets, iterations, device)
        asked = (targets != IGNORE).sum(1)
        for t, right in enumerate(correct, start=1):
            for score in (accuracy(right, asked), exact_match(right, asked)):
                yield {"split": name, "iterations": t, **score._asdict()}


@torch.no_grad()
def correct_answers(model: Model, tokens: Tensor, targets: Tensor, iterations: int, device: torch.device) -> Tensor:
    """How many answers of each example are right after each iteration: (iterations, examples), on the CPU."""
    at_once = max(1, TOKENS_AT_ONCE // tokens.shape[1])
    parts = []
    for some, answers in zip(tokens.split(at_once), targets.split(at_once), strict=True):
        answers = answers.to(device)
        states = model.states(some.to(device), iterations)
        parts.append(torch.stack([(model.logits(z).argmax(-1) == answers).sum(1) for z in states]).cpu())
    return torch.cat(parts, dim=1)


def accuracy(correct: Tensor, asked: Tensor) -> Score:
    """Share of asked positions that are answered rightly; both arguments are (examples,).

    Positions of one example are not independent: the standard error is that of a ratio estimated from clusters
    (Cochran, 1977, equation 6.13).
    """
    correct, asked = correct[asked > 0].double(), asked[asked > 0].double()
    count, total = len(asked), asked.sum().item()
    if not count:
        return Score("accuracy", float("nan"), float("nan"), 0)
    value = correct.sum().item() / total
    residual = (correct - value * asked).square().sum().item()
    return Score("accuracy", value, (residual * count / max(1, count - 1)) ** 0.5 / total, count)


def exact_match(correct: Tensor, asked: Tensor) -> Score:
    """Share of the examples of which every asked position is answered rightly; both arguments are (examples,)."""
    return accuracy(((correct == asked) & (asked > 0)).long(), (asked > 0).long())._replace(metric="exact_match")
