"""What the report of a tuning computes of its trials."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pandas as pd
import pytest

from asura.planning.tune_settings import Tune
from asura.reporting.figures.tuning import best_of, expected_best, scores_over_rates
from asura.reporting.tuning_report import choices


@pytest.mark.parametrize("less", [False, True])
def test_the_expected_best_is_the_mean_over_all_draws(less: bool):
    scores = np.array([0.3, 0.9, 0.5, 0.5])
    pick = min if less else max
    for count, found in enumerate(best_of(scores, less), start=1):
        assert found == pytest.approx(np.mean([pick(draw) for draw in product(scores, repeat=count)]))


def tried(scores: Mapping[float, tuple[float, ...]], chosen: float, metric: str = "accuracy") -> pd.DataFrame:
    rows = [
        {"task": "phop", "model": "a", "trial": f"a+{rate}", "learning_rate": rate, "seed": seed}
        | {"validation": value, "test": value - 0.1, "metric": metric, "training_flops": 5.0, "chosen": rate == chosen}
        for rate, values in scores.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_a_row_says_what_was_chosen_where_it_lies_and_what_is_lost_near_it():
    scores: dict[float, tuple[float, ...]] = {
        0.001: (0.2, 0.2),
        0.002: (0.8, 1.0),
        0.004: (0.7, 0.9),
        0.008: (0.1, 0.1),
    }
    tune = Tune.model_validate({"over": {"learning_rate": list(scores)}})
    (row,) = choices(tried(scores, 0.002), tune).to_dict("records")
    assert row["chosen: learning_rate"] == 0.002 and row["at the edge"] is None
    assert (row["validation"], row["test"]) == pytest.approx((0.9, 0.8))
    assert row["loss within 2×"] == pytest.approx(0.9 - 0.2)
    assert row["trials"] == 4 and row["training_flops"] == 8 * 5.0
    (row,) = choices(tried(scores, 0.001, "bits_per_byte"), tune).to_dict("records")
    assert row["at the edge"] == "learning_rate" and row["loss within 2×"] == pytest.approx(0.9 - 0.2)


def test_each_task_has_panels_of_its_own(build: Callable):
    one = build([("asura", 1, 2)], seeds=(0,), diverged=())
    runs = pd.concat([one.runs, one.runs.assign(task="igsm")], ignore_index=True)
    both = one._replace(runs=runs, roles=pd.concat([one.roles, one.roles.assign(task="igsm")], ignore_index=True))
    rates = {0.001: (0.2,), 0.01: (0.9,)}
    trials = [
        tried(rates, 0.01).assign(task=task, model=label)
        for task, label in runs[["task", "label"]].drop_duplicates().itertuples(index=False)
    ]
    tune = Tune.model_validate({"over": {"learning_rate": list(rates)}})
    for figure, numbers in (scores_over_rates(both, pd.concat(trials), tune), expected_best(both, pd.concat(trials))):
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ["p-hop induction, ASURA 1×2", "i-GSM, ASURA 1×2"]
        assert numbers.groupby("panel")["task"].nunique().tolist() == [1, 1]
