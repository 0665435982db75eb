"""What the tables of a study hold."""

import math

import numpy as np
import pandas as pd
import pytest

from asura.reporting.ablation_report import ablation_table
from asura.reporting.frames import COST, Results, tidy
from asura.reporting.statistics import Scale, paired_difference
from asura.reporting.tables import (
    comparison,
    for_people,
    matching,
    metrics,
    resources,
    runs,
)
from tests.reporting.conftest import (
    CHANCE,
    DIVERGED,
    OF_TEST,
    SOLVED,
    SPLITS,
    cells_and_controls,
    headline_scores,
    mean_and_bounds,
)

OF_RUN = [*COST, "chance"]


def test_runs_out_of_memory_have_a_column_where_there_are_any(results: Results, build):
    short = build([("asura", 1, 2)], diverged=(), out_of_memory=[("asura-n1-i2", 1)])
    for table in (comparison(short), ablation_table(short)):
        first = table.iloc[0]
        assert (first["seeds"], first["diverged"], first["out of memory"]) == (2, 0, 1)
        assert not table["out of memory"].iloc[1:].any()
        assert "out of memory" in for_people(table)
    assert "out of memory" not in comparison(results) and "out of memory" not in ablation_table(results)


def test_the_comparison_equals_a_slow_one(results: Results):
    scores = headline_scores(results)
    table = comparison(results)
    rows = list(table[["task", "cell", "role", "model"]].itertuples(index=False, name=None))
    assert rows == cells_and_controls(results)
    for row in table.itertuples():
        own, cell = scores[row.task, row.model], scores[row.task, row.cell]
        bounds = mean_and_bounds(own.values(), OF_TEST)
        assert (row.score, row.score_low, row.score_high) == pytest.approx(bounds, rel=1e-6)
        assert (row.seeds, row.diverged) == ((2, 1) if row.model == DIVERGED[0] else (3, 0))
        every = [own.get(seed, CHANCE) for seed in (0, 1, 2)]
        assert row.with_failures == pytest.approx(sum(every) / 3) and row.metric == "accuracy"
        shown = [f"{own[seed]:.3f}".removeprefix("0") if seed in own else "×" for seed in (0, 1, 2)]
        assert row.by_seed == " ".join(shown)
        assert row.solved == pytest.approx(sum(value >= SOLVED for value in own.values()) / 3)
        assert row.solved_low <= row.solved <= row.solved_high
        differences = [own[seed] - cell[seed] for seed in cell if seed in own]
        if row.role == "cell":
            assert row.pairs == 0
            assert np.isnan([row.difference, row.difference_low, row.difference_high]).all()
        else:
            assert row.pairs == len(differences) == (2 if row.cell == DIVERGED[0] else 3)
            found = paired_difference(pd.Series(own), pd.Series(cell), Scale(CHANCE, 1), OF_TEST * math.sqrt(2))
            assert row.difference == pytest.approx(sum(differences) / len(differences))
            assert (row.difference_low, row.difference_high) == pytest.approx((found.low, found.high))
        for run in results.runs[results.runs["label"] == row.model].itertuples():
            assert all(getattr(row, name) == getattr(run, name) for name in OF_RUN)


def test_every_metric_has_its_mean_over_seeds_at_the_trained_iterations(build):
    few = build([("asura", 1, 2)], tasks=("phop", "addition"), diverged=[("asura-n1-i2", 1)])
    halts = few.scores[few.scores["label"] == "bare-n1-i2"].assign(metric="halting_iterations")
    halts["standard_error"] = math.nan
    halts["value"] = 10.0 * halts["iterations"] + halts["seed"] + (halts["split"] != "test") * 100
    table = metrics(few._replace(scores=pd.concat([halts, few.scores]))).set_index(["task", "model", "metric"])
    halting = table.xs("halting_iterations", level="metric")
    assert list(halting.index) == [("phop", "bare-n1-i2"), ("addition", "bare-n1-i2")]
    half = 4.302653 / math.sqrt(3)  # Student's, of 20, 21 and 22
    expected = pytest.approx([21, 21 - half, 21 + half], rel=1e-6)
    assert halting[["mean", "mean_low", "mean_high"]].values.tolist() == [expected] * 2
    accuracy = table.xs("accuracy", level="metric")
    assert len(accuracy) == 12 and len(table) == 14
    for (task, model), row in accuracy.iterrows():
        scores = headline_scores(few)[task, model]
        assert row["mean"] == pytest.approx(sum(scores.values()) / len(scores))
        assert row["seeds"] == len(scores) == (2 if model == "asura-n1-i2" else 3)


def test_a_model_without_controls_is_compared_with_nothing(build):
    lone = build([("asura", 1, 2)])._replace(roles=tidy("roles", []))
    table = comparison(lone)
    assert (table["cell"] == table["model"]).all() and set(table["role"]) == {"study model"}
    assert table["difference"].isna().all() and table["score"].notna().all()


def test_every_run_has_one_row(results: Results):
    table = runs(results)
    assert len(table) == len(results.runs)
    scores = {(row.label, row.seed, row.split, row.iterations): row.value for row in results.scores.itertuples()}
    of_run = {(run["label"], run["seed"]): run for run in results.runs.to_dict("records")}
    columns = {split: f"score: {split}" for split in SPLITS} | {"test": "score"}
    for row in table.to_dict("records"):
        run = of_run.pop((row["model"], row["seed"]))
        assert all(row[name] == run[name] for name in [*OF_RUN, "task", "n", "i", "status", "step"])
        for split, column in columns.items():
            expected = scores.get((row["model"], row["seed"], split, row["i"]), math.nan)
            assert row[column] == pytest.approx(expected, nan_ok=True)
        assert row["standard_error"] == pytest.approx(0.004 if run["status"] == "finished" else math.nan, nan_ok=True)
    assert not of_run


def test_runs_are_in_the_order_of_tasks_models_and_seeds(build):
    results = build([("asura", 2, 2)], tasks=("phop", "addition"))
    table = runs(results._replace(runs=results.runs.iloc[::-1]))
    labels = list(results.runs["label"].unique())
    expected = [(task, label, seed) for task in ("addition", "phop") for label in labels for seed in (0, 1, 2)]
    assert list(table[["task", "model", "seed"]].itertuples(index=False, name=None)) == expected


def test_matching_shows_what_must_be_equal_and_by_how_much_it_is_not(build):
    table = matching(build([("asura", 1, 4)]))
    assert list(zip(table["control"], table["equal"], strict=True)) == [
        ("iso_param", "parameters"),
        ("iso_flop", "flops_per_token"),
        ("iso_both", "parameters"),
        ("iso_both", "training_flops"),
        ("iso_param_depth", "parameters"),
        ("iso_param_depth", "effective_depth"),
        ("iso_recursion", "n"),
    ]
    # the cell has 49 152 + 4 · 8192 = 81 920 parameters, and iso_param 64 more; iso_both trains 4 times as long at a
    # quarter of the FLOPs of the blocks, 4 · 294 912 a token, but at all of the head's, 4000
    assert table.loc[0, ["control_value", "cell_value"]].tolist() == [81_984, 81_920]
    expected = [64 / 81_920, 0, 64 / 81_920, 4 * (294_912 + 4_000) / (4 * 294_912 + 4_000) - 1]
    assert table["deviation"].tolist() == pytest.approx([*expected, 64 / 81_920, 0, 0])


def test_resources_are_means_of_runs_maxima_and_sums():
    seconds = {("b", 0): (100, 7), ("b", 1): (300, 5), ("a", 0): (10, 1), ("a", 1): (20, 1)}
    runs, used = [], []
    for (label, seed), of_rules in seconds.items():
        run = {"task": "phop", "label": label, "seed": seed}
        runs.append(run)
        for rule, s, memory in zip(("train", "evaluate"), of_rules, (900 + 100 * seed, 950), strict=True):
            used.append(run | {"rule": rule, "seconds": s, "job_rss_mb": memory, "cpu_seconds": 2 * s})
            used[-1]["job_device_mb"] = 50 * (seed + 1)
    frames = {name: tidy(name, []) for name in Results._fields}
    table = resources(Results(**frames | {"runs": pd.DataFrame(runs), "resources": tidy("resources", used)}))
    assert table.to_dict("list") == {
        "task": ["phop", "phop"],
        "model": ["b", "a"],
        "train_seconds": [200, 15],
        "evaluate_seconds": [6, 1],
        "job_peak_memory_mb": [1000, 1000],
        "job_peak_device_mb": [100, 100],
        "total_seconds": [412, 32],
        "total_cpu_seconds": [824, 64],
        "runs": [2, 2],
    }


def test_in_text_less_is_better_and_failures_count_at_chance(build):
    text = build([("asura", 1, 2)], diverged=[("asura-n1-i2", 1)])
    metric = {"metric": "bits_per_byte", "chance": 8.0}
    scores = text.scores.assign(**metric, value=text.scores["value"] + 2)
    table = comparison(text._replace(runs=text.runs.assign(**metric, solved=math.nan), scores=scores))
    first = table.iloc[0]
    own = headline_scores(text)["phop", "asura-n1-i2"]
    assert first["score"] == pytest.approx((own[0] + own[2]) / 2 + 2)
    assert first["with_failures"] == pytest.approx((own[0] + own[2] + 4 + 8) / 3)
    assert table["solved"].isna().all()
    half = 12.706205 * abs(own[0] - own[2]) / 2  # Student's with one degree of freedom
    assert first["score_high"] == pytest.approx(first["score"] + math.hypot(half, 1.959964 * OF_TEST), rel=1e-6)
