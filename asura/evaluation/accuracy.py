"""Accuracy of a model on a task, at some numbers of iterations in one pass over them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from asura.common.randomness import generator
from asura.models.model import Model
from asura.tasks import IGNORE, Batch, Task
from asura.training.processes import ALONE, Alone

TOKENS_AT_ONCE = 1 << 16
LOGITS_AT_ONCE = 1 << 29
FEWER_ON_CPU = 32
"""A CPU evaluates that many times fewer examples together than an accelerator, since more do not fit its cache."""


class Score(NamedTuple):
    """A metric's value with its standard error over clusters of examples, `examples` of which were asked anything."""

    metric: str
    value: float
    standard_error: float
    examples: int


class Asked(NamedTuple):
    """Examples of a task that a model is scored on."""

    task: Task
    batch: Batch


class Scores(NamedTuple):
    """What an evaluation finds.

    rows: one for each split, number of iterations and metric or measure of the model.
    shortcuts: scores in the primary metric of rules that do not solve the task, by split and rule.
    outcomes: by split, `score` and `weight` of each example at the trained number of iterations; the primary metric is
        the sum of the scores over that of the weights.
    """

    rows: list[dict[str, Any]]
    shortcuts: dict[str, dict[str, float]]
    outcomes: dict[str, Tensor]


def asked_of(task: Task, examples: int) -> dict[str, Asked]:
    """So many examples of every split of a task, the same for every model."""
    return {
        name: Asked(split, split.draw(examples, generator("examples", name))) for name, split in task.splits.items()
    }


def task_scores(
    model: Model,
    questions: Mapping[str, Asked],
    metric: str,
    iterations: Sequence[int],
    device: torch.device,
    processes: Alone = ALONE,
) -> Scores:
    """Score a model on examples by their split, at these numbers of iterations, of which one is the trained number."""
    found = Scores([], {}, {})
    trained = iterations.index(model.settings.i)
    for name, (split, (tokens, targets)) in questions.items():
        correct, measures = answers(model, tokens, targets, iterations, device, processes)
        asked, cluster = (targets != IGNORE).sum(1), split.clusters(tokens)
        for place, (t, right) in enumerate(zip(iterations, correct, strict=True)):
            scores = [accuracy(right, asked, cluster), exact_match(right, asked, cluster)]
            scores += [mean(measure, values[place]) for measure, values in measures.items()]
            found.rows.extend({"split": name, "iterations": t, **score._asdict()} for score in scores)
        found.shortcuts[name] = shortcut_scores(split, Batch(tokens, targets), metric)
        right = correct[trained]
        score, weight = (right, asked) if metric == "accuracy" else ((right == asked) & (asked > 0), asked > 0)
        found.outcomes.update({f"{name}.score": score.float(), f"{name}.weight": weight.float()})
    return found


def shortcut_scores(split: Task, batch: Batch, metric: str) -> dict[str, float]:
    """What the rules of a split that do not solve it score on some of its examples, by the name of the rule."""
    asked = batch.targets != IGNORE
    return {
        rule: SCORED_BY[metric](((answers == batch.targets) & asked).sum(1), asked.sum(1)).value
        for rule, answers in split.shortcuts(batch.tokens).items()
    }


def answers(
    model: Model,
    tokens: Tensor,
    targets: Tensor,
    iterations: Sequence[int],
    device: torch.device,
    processes: Alone = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of each example after these numbers of iterations, how many answers are right, and the model's measures.

    Each is (numbers, examples), on the CPU.
    """

    def score(logits: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        return {"correct": (logits.argmax(-1) == wanted).sum(1)}

    at_once = min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // model.head.out_features) // tokens.shape[1]
    found = scored(model, Batch(tokens, targets), ("correct",), score, at_once, iterations, device, processes)
    return found.pop("correct").long(), found


@torch.no_grad()
def scored(
    model: Model,
    batch: Batch,
    names: tuple[str, ...],
    score: Callable[[Tensor, Tensor], dict[str, Tensor]],
    at_once: int,
    iterations: Sequence[int],
    device: torch.device,
    processes: Alone,
) -> dict[str, Tensor]:
    """Of each example after these numbers of iterations, in rising order, the scores and the model's measures by name.

    Each is float64, (numbers, examples), on the CPU. `score` gives those of these `names`, (B,), from the logits
    (B, T, V) and targets (B, T) of examples, of which `at_once` are computed together, fewer on a CPU.
    """
    at_once = max(1, at_once // FEWER_ON_CPU if device.type == "cpu" else at_once)
    shape, wanted = (len(iterations), len(batch.tokens)), {*iterations}
    found = {name: torch.zeros(shape, dtype=torch.float64) for name in (*names, *model.measured)}
    for start in processes.mine(range(0, len(batch.tokens), at_once)):
        rows = slice(start, start + at_once)
        tokens, targets = (part[rows].to(device) for part in batch)
        each = [
            score(model.logits(model.read(state)), targets) | model.measures(state)
            for t, state in enumerate(model.trajectory(tokens, iterations[-1]), start=1)
            if t in wanted
        ]
        for name in found:  # read when all iterations are done, since reading waits for the device
            found[name][:, rows] = torch.stack([values[name] for values in each]).cpu().double()
    return dict(zip(found, processes.total(*found.values()), strict=True))


def mean(name: str, values: Tensor) -> Score:
    """Mean of a measure, (examples,), with its standard error."""
    values = values.double()
    return Score(name, values.mean().item(), (values.var() / len(values)).sqrt().item(), len(values))


def accuracy(correct: Tensor, asked: Tensor, cluster: Tensor | None = None) -> Score:
    """Share of asked positions that are answered rightly; the arguments are (examples,)."""
    return ratio("accuracy", correct, asked, cluster)


def ratio(name: str, part: Tensor, whole: Tensor, cluster: Tensor | None = None) -> Score:
    """The sum of `part` over that of `whole`, both (examples,), of the examples that have any.

    What is counted within one example, or one cluster of examples, is not independent: the standard error is that of a
    ratio estimated from clusters (Cochran, 1977, equation 6.13).
    """
    cluster = (torch.arange(len(whole)) if cluster is None else cluster)[whole > 0].unique(return_inverse=True)[1]
    part, whole = part[whole > 0].double(), whole[whole > 0].double()
    if not len(whole):
        return Score(name, float("nan"), float("nan"), 0)
    total = whole.sum().item()
    value = part.sum().item() / total
    clusters = int(cluster.max()) + 1
    residual = torch.zeros(clusters, dtype=torch.float64).index_add(0, cluster, part - value * whole)
    error = (residual.square().sum().item() * clusters / max(1, clusters - 1)) ** 0.5 / total
    return Score(name, value, error, len(whole))


def exact_match(correct: Tensor, asked: Tensor, cluster: Tensor | None = None) -> Score:
    """Share of the examples of which every asked position is answered rightly; the arguments are (examples,)."""
    return ratio("exact_match", ((correct == asked) & (asked > 0)).long(), (asked > 0).long(), cluster)


SCORED_BY: dict[str, Callable[[Tensor, Tensor], Score]] = {"accuracy": accuracy, "exact_match": exact_match}
"""How right answers are scored, by the name of the metric."""
