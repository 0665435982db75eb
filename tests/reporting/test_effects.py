"""Effects of a factorial against numbers worked out by hand."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from asura.common.errors import UserError
from asura.reporting.effects import effects
from asura.reporting.frames import Results

FACTORS = {"long_skip": ["concat", "none"], "iteration_norm": ["shared", "none", "per_iteration"]}
LABELS = {
    (skip, norm): "asura-n1-i4"
    + (f"+long_skip={skip}" if skip != "concat" else "")
    + (f"+iteration_norm={norm}" if norm != "shared" else "")
    for skip, norm in product(*FACTORS.values())
}


def study(build: Callable, scores: dict[tuple[str, str], float], of_seed: float = 0.02) -> Results:
    results: Results = build([("asura", 1, 4)], seeds=(0, 1, 2), diverged=())
    runs, rows = [], []
    for cell, label in LABELS.items():
        of_model = results.runs[results.runs["label"] == "asura-n1-i4"]
        runs.append(of_model.assign(label=label))
        own = results.scores[results.scores["label"] == "asura-n1-i4"]
        rows.append(own.assign(label=label, value=scores[cell] + of_seed * own["seed"]))
    return results._replace(runs=pd.concat(runs), scores=pd.concat(rows), roles=results.roles.iloc[:0])


def test_main_effects_and_interactions_are_differences_of_means(build: Callable):
    scores = dict(zip(LABELS, (0.8, 0.7, 0.9, 0.5, 0.1, 0.6), strict=True))
    table = effects(study(build, scores), FACTORS).set_index("effect")
    assert table.loc["no long skip", "change"] == pytest.approx((0.5 + 0.1 + 0.6) / 3 - (0.8 + 0.7 + 0.9) / 3)
    of_norm = "no iteration norm (for shared)"
    assert table.loc[of_norm, "change"] == pytest.approx((0.7 + 0.1) / 2 - (0.8 + 0.5) / 2)
    both = f"no long skip × {of_norm}"
    assert table.loc[both, "change"] == pytest.approx((0.1 - 0.5) - (0.7 - 0.8))
    assert len(table) == 1 + 2 + 2
    # What all models of a seed share is no scatter of an effect.
    assert np.allclose(table["change_low"], table["change_high"], atol=1e-9)


def test_an_interval_is_that_of_the_residual_variance(build: Callable):
    results = study(build, dict.fromkeys(LABELS, 0.5), of_seed=0.0)
    noise = np.random.default_rng(0).normal(0, 0.05, len(results.scores))
    results = results._replace(scores=results.scores.assign(value=results.scores["value"] + noise))
    row = effects(results, FACTORS).set_index("effect").loc["no long skip"]
    scores = results.scores
    scores = scores[(scores["split"] == "test") & (scores["iterations"] == 4) & (scores["metric"] == "accuracy")]
    table = scores.pivot(index="seed", columns="label", values="value")
    residual = table.sub(table.mean(axis=0), axis=1).sub(table.mean(axis=1), axis=0) + table.to_numpy().mean()
    variance = (residual.to_numpy() ** 2).sum() / (2 * 5)
    margin = t.ppf(0.975, 10) * (variance * (6 / 9) / 3) ** 0.5  # six weights of one third
    assert row["change_high"] - row["change"] == pytest.approx(margin)


def test_a_combination_that_was_not_run_is_named(build: Callable):
    results = study(build, dict.fromkeys(LABELS, 0.5))
    rest = results.scores[results.scores["label"] != LABELS["none", "none"]]
    with pytest.raises(UserError, match="with none and none has a score"):
        effects(results._replace(scores=rest), FACTORS)
