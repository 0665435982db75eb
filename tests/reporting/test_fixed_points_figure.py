"""The figure of fixed points and contraction."""

from collections.abc import Callable

import pandas as pd
import pytest

from asura.reporting.analyses import FIGURES
from tests.reporting.conftest import lines, panels

LABELS = ["asura-n1-i4", "bare-n1-i4"]
SEEDS = (0, 1)


def frame(*rows: dict) -> pd.DataFrame:
    """The rows for each model and seed; of the second seed, numbers are higher by a fifth."""
    runs = [{"task": "phop", "label": label, "seed": seed} for label in LABELS for seed in SEEDS]
    found = pd.DataFrame([run | row for run in runs for row in rows])
    measured = found.select_dtypes("float").columns
    found[measured] = found[measured].mul(1 + found["seed"] / 5, axis=0)
    return found


def test_it_shows_each_model_at_its_first_and_last_iteration_and_every_start(build: Callable):
    sizes = {"spectral_radius": 0.5, "below_one": 1.0, "rate": 0.4}
    found = {
        "fixed_points": frame({"t": 1, "converged": 0.0}, {"t": 64, "converged": 0.5}),
        "fixed_points_map": frame({"t": 4, "singular_value": 8.0} | sizes, {"t": 64, "singular_value": 1.5} | sizes),
        "fixed_points_start": frame(
            *({"start": start, "distance": 0.2, "same": 0.5, "accuracy": 0.6} for start in ("own", "noise", "another"))
        ),
    }
    results = build([("asura", 1, 4)], seeds=SEEDS, diverged=())
    drawn = FIGURES["fixed_points"](found, results, "phop")
    drawn.figure.draw_without_rendering()
    _, trained, last, *ends = panels(drawn.figure)
    assert len(ends) == 3
    for axes in (trained, last):
        assert [label.get_text() for label in axes.get_xticklabels()] == ["σ", "ρ", "rate"]
        assert axes.get_yscale() == "log"
    assert [label.get_text() for label in ends[2].get_xticklabels()] == ["own", "noise", "another"]
    assert [label.get_text() for label in ends[0].get_xticklabels()] == ["noise", "another"]
    for axes, largest in ((trained, 8.8), (last, 1.65)):
        means = [y for line in lines(axes, "mean") for y in line.get_ydata()]
        assert sorted(means) == pytest.approx(sorted([0.44, 0.55, largest] * len(LABELS)))
    for axes in panels(drawn.figure):
        low, high = axes.get_ylim()
        drawn_at = [y for line in axes.lines if line.get_gid() for y in line.get_ydata()]
        assert drawn_at and low <= min(drawn_at) and max(drawn_at) <= high
    assert set(drawn.numbers["shows"]) == {"mean", "seed"} and set(drawn.numbers["model"]) == set(LABELS)
    assert drawn.numbers["run"].str.startswith("runs/phop/").all()
