"""Tables of analyses over seeds."""

import pandas as pd

from asura.reporting.analysis_report import over_seeds


def test_means_over_seeds_keep_places_apart():
    about = {"task": "phop", "label": "a"}
    rows = [about | {"seed": seed, "iteration": t, "accuracy": seed + t} for seed in (0, 1) for t in (1, 2)]
    table = over_seeds(pd.DataFrame(rows).astype({"accuracy": float}))
    assert table.to_dict("records") == [
        about | {"iteration": 1, "seeds": 2, "accuracy": 1.5},
        about | {"iteration": 2, "seeds": 2, "accuracy": 2.5},
    ]


def test_thresholds_that_differ_by_seed_are_averaged_by_their_rank():
    rows = [
        {"task": "phop", "label": "a", "seed": seed, "criterion": "entropy"}
        | {
            "rank": rank,
            "threshold": threshold + seed / 10,
            "accuracy": threshold,
            "is_chosen": float(threshold == seed),
        }
        for seed in (0, 1)
        for rank, threshold in enumerate((0.0, 1.0, 2.0), start=1)
    ]
    table = over_seeds(pd.DataFrame(rows))
    assert list(table["rank"]) == [1, 2, 3] and list(table["accuracy"]) == [0, 1, 2]
    assert list(table["is_chosen"]) == [0.5, 0.5, 0] and (table["seeds"] == 2).all()
