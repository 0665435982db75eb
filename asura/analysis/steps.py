"""Steps: which step of a task each iteration has taken, by the agreement of its answers with those after k steps."""

import torch
from torch import Tensor

from asura.analysis.readings import path
from asura.analysis.subject import NotApplicable, Subject, Tables
from asura.models import build
from asura.models.model import Model
from asura.planning.analysis_settings import Steps
from asura.tasks import IGNORE, Batch


def steps(subject: Subject, settings: Steps) -> Tables:
    """A row for each iteration, or block of a stack, and each step.

    agreement: share of positions whose likeliest token is the answer after `step` steps. Counted are `positions`, asked
        ones at which that answer differs from the answers after every other number of steps.
    untrained: the same of the first weights of the seed, of which nothing has been trained.

    Raises NotApplicable for a task that does not say the answers after fewer steps.
    """
    most = subject.task.steps
    if most < 2:
        raise NotApplicable(f"{subject.run.task_name} does not say what is right after fewer steps")
    model = subject.model
    untrained = build(model.settings, subject.task.vocabulary, subject.run.seed, subject.device).eval()
    answers, is_counted = distinct_answers(subject, most)
    found = {name: _chosen(subject, each, settings) for name, each in (("agreement", model), ("untrained", untrained))}
    rows = []
    for place, (iteration, block) in enumerate(found["agreement"][1]):
        for step in range(1, most + 1):
            counted = is_counted[step - 1]
            wanted = answers[step - 1][counted]
            shares = {
                name: (chosen[place][counted] == wanted).double().mean().item() for name, (chosen, _) in found.items()
            }
            about = {"iteration": iteration, "block": block, "step": step, "positions": int(counted.sum())}
            rows.append(about | shares)
    return {"steps": rows}


def distinct_answers(subject: Subject, most: int) -> tuple[Tensor, Tensor]:
    """The answers after 1, 2, … steps, (steps, B, T), and whether each differs from all others at an asked position."""
    answers = torch.stack([subject.task.answers(subject.batch.tokens, steps=k) for k in range(1, most + 1)])
    equal = (answers[:, None] == answers[None]).sum(1)
    return answers, (equal == 1) & (answers != IGNORE) & subject.asked


def _chosen(subject: Subject, model: Model, settings: Steps) -> tuple[Tensor, list[tuple[int, int]]]:
    """The likeliest tokens of a model along its path, (readings, B, T), and the iteration and block of each reading."""
    places: dict[tuple[int, int], None] = {}

    def measure(part: Batch) -> dict[str, Tensor]:
        read = []
        for iteration, block, _, z in path(model, part.tokens, settings.iterations):
            places[iteration, block] = None
            read.append(model.answers(z))
        return {"chosen": torch.stack(read).transpose(1, 2)}  # examples come last

    iterations = settings.iterations or subject.i
    chosen = subject.gathered(measure, iterations * model.settings.n)["chosen"]
    return chosen.transpose(1, 2), list(places)
