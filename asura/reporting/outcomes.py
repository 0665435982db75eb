"""Outcomes of single test examples, and the standard errors over test examples that follow from them.

All models and seeds of a task are scored on the same examples, so what the choice of these adds to a mean over seeds,
or to a difference of two models, is seen only example by example.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asura.common.errors import UserError
from asura.planning.plan import Plan
from asura.reporting.frames import HEADLINE_SPLIT

Model = tuple[str, str]
"""A task and a label."""


def read_effects(path: Path) -> np.ndarray | None:
    """What each test example does to the score of a run, from its outcomes; None without any. Raises UserError.

    The score is the sum of `test.score` over that of `test.weight`, which have one number for each example.
    """
    if not path.is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        if not tensors:  # of a run that failed
            return None
        score, weight = (tensors[f"{HEADLINE_SPLIT}.{name}"].astype(float) for name in ("score", "weight"))
    except (OSError, KeyError, SafetensorError) as error:
        raise UserError(f"{path}: it cannot be read ({error}); delete evaluation.json to evaluate again") from None
    return effects(score, weight)


def effects(score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The linearised ratio sum(score) / sum(weight): its standard error is that of the mean of these."""
    return np.asarray((score - score.sum() / weight.sum() * weight) / weight.mean())


def standard_error(effect: np.ndarray) -> float:
    """The standard error of a mean."""
    return float(effect.std(ddof=1) / math.sqrt(effect.size)) if effect.size > 1 else math.nan


def errors_over_examples(of_runs: Mapping[Model, Sequence[np.ndarray]], plan: Plan) -> Iterator[dict[str, Any]]:
    """Rows of the frame `test_errors`: each model, and each pair that the study compares."""
    metrics = {model["task"]: model["metric"] for model in plan.models}
    mean = {key: np.mean(found, axis=0) for key, found in of_runs.items()}
    for (task, label), effect in mean.items():
        row = {"task": task, "label": label, "reference": None, "metric": metrics[task]}
        yield row | {"standard_error": standard_error(effect)}
    pairs = [(role["task"], role["label"], role["control_of"]) for role in plan.roles]
    pairs += [(model["task"], model["label"], model["against"]) for model in plan.models if model.get("against")]
    pairs += [(question["task"], question["row"], question["reference"]) for question in plan.questions]
    for task, label, reference in dict.fromkeys(pairs):
        if (task, label) in mean and (task, reference) in mean:
            row = {"task": task, "label": label, "reference": reference, "metric": metrics[task]}
            yield row | {"standard_error": standard_error(mean[task, label] - mean[task, reference])}
