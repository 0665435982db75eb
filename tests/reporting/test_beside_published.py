from typing import Any

import pandas as pd
import pytest

from asura.planning.published import PAPERS
from asura.reporting.beside_published import beside_published
from asura.reporting.frames import COLUMNS, COST, Results, tidy

COSTS = dict.fromkeys(COST, 1)


def results() -> Results:
    runs, scores = [], []
    for order, (label, value) in enumerate([("asura_full-n1-i3", 0.7), ("vanilla-n1", 0.6)]):
        for seed in (0, 1):
            about: dict[str, Any] = {"task": "text/piqa", "label": label, "seed": seed}
            run = about | {"architecture": label.split("-")[0], "n": 1}
            run |= {"i": 3 if "i3" in label else 1, "status": "finished", "step": 1, "metric": "accuracy", **COSTS}
            runs.append(run | {"chance": 0.53, "order": order})
            score = about | {"split": "test", "iterations": run["i"]}
            score |= {"metric": "accuracy", "value": value + seed / 100, "standard_error": 0.01, "examples": 1838}
            scores.append(score)
    role = {"task": "text/piqa", "label": "vanilla-n1", "control": "iso_both", "control_of": "asura_full-n1-i3"}
    frames: dict[str, list] = {"runs": runs, "roles": [{**role, "deviation": 0.0}], "scores": scores}
    return Results(**{name: tidy(name, frames.get(name, [])) for name in COLUMNS})


def test_each_number_stands_beside_the_model_of_its_role():
    table = beside_published(results(), "gupta_2025")
    assert table[["benchmark", "role", "model", "published"]].values.tolist() == [
        ["piqa", "iso_both", "vanilla-n1", 0.7008],
        ["piqa", "cell", "asura_full-n1-i3", 0.6986],
    ]
    assert table["score"].tolist() == pytest.approx([0.605, 0.705])
    assert table["chance"].tolist() == [0.53, 0.53]


def test_a_paper_has_one_number_for_each_benchmark_and_role():
    for path in PAPERS.values():
        paper = pd.read_csv(path)
        assert list(paper) == ["benchmark", "role", "published"]
        assert not paper.duplicated(["benchmark", "role"]).any()
