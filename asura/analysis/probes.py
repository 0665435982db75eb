"""Probes: what a linear map reads of a state, beside control labels (Hewitt & Liang, 2019, arXiv 1909.03368)."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor

from asura.analysis.states import at_most, states
from asura.analysis.subject import NotApplicable, Subject, Tables
from asura.planning.analysis_settings import Probes
from asura.tasks import IGNORE

STRENGTH, MOST_ROUNDS = 1.0, 500
"""Inverse strength of the penalty on a probe's weights, and the rounds of its solver."""


def probes(subject: Subject, settings: Probes) -> Tables:
    """A row for each place `t`, an iteration or block, 0 for the embedding, and each step of the task.

    A linear probe of the state is trained to give the answer after `step` steps, on the asked positions of half of the
    examples, and has its `accuracy` on those of the other half. `control` is the accuracy of a probe whose labels are
    shuffled among the examples, and `selectivity` what the first has won of what the second left to win, (accuracy -
    control) / (1 - control). `positions` are those of the second half.

    Raises NotApplicable for a task that does not say the answers after fewer steps.
    """
    if subject.task.steps < 1:
        raise NotApplicable(f"{subject.run.task_name} does not say what is right after fewer steps")
    subject = at_most(subject, settings.positions)
    found = states(subject, subject.model, settings.iterations)
    examples, places = subject.asked.nonzero(as_tuple=True)
    first_half = examples < len(subject.batch.tokens) // 2
    rows = []
    for step in range(1, subject.task.steps + 1):
        labels = subject.task.answers(subject.batch.tokens, steps=step)[subject.asked]
        known = labels != IGNORE
        labels, taught = labels[known], first_half[known]
        control = shuffled(labels, places[known], subject.generator("control", step))
        for t, state in enumerate(found):
            accuracy, least = (probed(state[known], each, taught) for each in (labels, control))
            about = {"t": t, "step": step, "positions": int((~taught).sum())}
            rows.append(about | {"accuracy": accuracy, "control": least, "selectivity": selectivity(accuracy, least)})
    return {"probes": rows}


def shuffled(labels: Tensor, places: Tensor, generator: Generator) -> Tensor:
    """Labels (N,), each exchanged with that of another example at the same place: a place keeps its own labels."""
    between = torch.rand(len(places), generator=generator, dtype=torch.float64)
    exchanged = torch.empty_like(labels)
    exchanged[places.argsort(stable=True)] = labels[(places + between).argsort()]
    return exchanged


def probed(features: Tensor, labels: Tensor, taught: Tensor) -> float:
    """The accuracy, where it was not taught, of a linear probe of features (N, d) for labels (N,).

    It is nan where there is nothing to learn from or to score, or features are not finite.
    """
    x, y, learns = features.numpy(), labels.numpy(), taught.numpy()
    if learns.all() or not learns.any() or not np.isfinite(x).all():
        return np.nan
    if len(np.unique(y[learns])) == 1:
        return float((y[~learns] == y[learns][0]).mean())
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=MOST_ROUNDS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(x[learns], y[learns])
    return float(probe.score(x[~learns], y[~learns]))


def selectivity(accuracy: float, control: float) -> float:
    """1 for a probe that is always right, 0 for one that is as its control; nan where the control is always right."""
    return (accuracy - control) / (1 - control) if control < 1 else np.nan
