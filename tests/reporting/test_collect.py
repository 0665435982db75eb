"""The frames of a study are what its files say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from asura.common.files import checksum, read_sealed, write_sealed
from asura.common.source import path_of, reached
from asura.planning import outputs
from asura.planning.products import MODULES
from asura.planning.run_folder import digest
from asura.reporting.collect import collect, progress, read_results, write_results
from asura.reporting.comparing import Comparing
from asura.reporting.figures import FIGURES
from asura.reporting.frames import COLUMNS, Results, remarks
from asura.reporting.tables import TABLES
from tests.conftest import ROOT
from tests.reporting.conftest import headline_by_model
from tests.reporting.written_runs import (
    ASKED,
    COST,
    MODELS,
    QUESTION,
    SCORE,
    THIRD,
    USED,
    folder_of,
    plan_of,
    rows_of,
    write_run,
)


def test_every_run_of_the_plan_is_collected(study: Path):
    results = collect(study)
    assert rows_of(results.runs, "label", "seed", "status", "step") == [
        ("asura-n1-i2", 0, "finished", 20),
        ("asura-n1-i2", 1, "finished", 20),
        ("bare-n1-i2", 0, "finished", 20),
        ("bare-n1-i2", 1, "diverged", 7),
    ]
    for name in ["task", *COST, "metric", "chance", "order", "architecture"]:
        assert results.runs[name].tolist() == [model[name] for model in MODELS for _ in (0, 1)]
    assert rows_of(results.roles, *COLUMNS["roles"]) == [("NA", "bare-n1-i2", "iso_recursion", "asura-n1-i2", -0.004)]


def test_scores_curves_and_resources_are_those_of_the_files(study: Path):
    results = collect(study)
    assert rows_of(results.scores, "label", "seed", "value") == [
        ("asura-n1-i2", 0, THIRD),
        ("asura-n1-i2", 1, THIRD + 1 / 7),
        ("bare-n1-i2", 0, 0.6),
    ]
    assert all((results.scores[name] == value).all() for name, value in SCORE.items())
    assert len(results.curves) == 8 and results.curves["loss"].isna().tolist() == [False, True] * 4
    assert rows_of(results.curves, "seed", "step", "tokens", "accuracy")[2:4] == [
        (1, 10, 500, THIRD + 1 / 7),
        (1, 20, 1000, THIRD + 1 / 7),
    ]
    assert rows_of(results.resources, "rule", "seed", "seconds", "job_rss_mb", "cpu_seconds")[:2] == [
        ("train", 0, 13.75, 300.25, 11.75),
        ("evaluate", 0, 0.9, 300.25, 11.75),
    ]
    assert len(results.resources) == 8


def test_questions_and_errors_over_test_examples_are_collected(study: Path):
    assert collect(study).test_errors.empty  # where no outcomes were kept
    right = {("asura-n1-i2", 0): [1, 0, 1, 1], ("asura-n1-i2", 1): [1, 1, 1, 0], ("bare-n1-i2", 0): [1, 0, 0, 1]}
    for (label, seed), score in right.items():
        tensors = {"test.score": np.array(score, np.float32), "test.weight": np.ones(4, np.float32)}
        save_file(tensors, folder_of(study, label, seed) / "outcomes.safetensors")
    results = collect(study)
    (question,) = results.questions.to_dict("records")
    assert question == {**{k: v for k, v in QUESTION.items() if k != "row"}, "label": QUESTION["row"]}
    found = results.test_errors.fillna({"reference": ""}).set_index(["label", "reference"])["standard_error"]

    def error(values: list[float]) -> float:
        return float(np.std(values, ddof=1) / 2)

    # the means of asura over two seeds are 1, .5, 1, .5, which minus 1, 0, 0, 1 is 0, .5, 1, -.5
    assert found["asura-n1-i2", ""] == pytest.approx(error([1, 0.5, 1, 0.5]))
    assert found["bare-n1-i2", ""] == pytest.approx(error([1, 0, 0, 1]))
    of_difference = pytest.approx(error([0, 0.5, 1, -0.5]))
    assert found["bare-n1-i2", "asura-n1-i2"] == of_difference
    assert Comparing(results).test_error("NA", "bare-n1-i2", "asura-n1-i2") == of_difference


def test_what_is_written_reads_back_as_it_was(study: Path, results: Results, empty: Results, tmp_path: Path):
    for number, each in enumerate([collect(study), results, empty]):
        write_results(each, tmp_path / str(number))
        for before, after in zip(each, read_results(tmp_path / str(number)), strict=True):
            pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_what_sessions_of_a_training_used_is_summed_and_of_memory_the_most(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    sessions = [
        USED | {"cpu_seconds": 20.5, "job_device_mb": 7.5},
        USED | {"job_rss_mb": 400, "job_device_mb": 9.5},
    ]
    write_sealed(path, read_sealed(path) | {"sessions": sessions})
    used = collect(study).resources.iloc[0]
    assert used[["cpu_seconds", "job_rss_mb", "job_device_mb"]].tolist() == [32.25, 400, 9.5]


def test_what_the_rules_declare_is_what_is_written():
    assert tuple(COLUMNS) == outputs.FRAMES
    assert tuple(TABLES) == outputs.TABLES
    assert tuple(FIGURES) == outputs.FIGURES
    for name in [*TABLES, *FIGURES]:
        assert (ROOT / "asura" / "reporting" / "captions" / f"{name}.rst").read_text().strip()


def test_every_module_of_reporting_is_a_reason_to_draw_again():
    roots = [f"asura.reporting.{module}" for modules in MODULES.values() for module in modules]
    found = reached(roots, ("asura.reporting.",), ())
    none = ("", ".study_results", ".studies_together")  # which write nothing of a study
    apart = {path_of(f"asura.reporting{module}") for module in none}
    assert {path_of(module) for module in found} | apart == set(path_of("asura.reporting").parent.rglob("*.py"))


def test_steps_to_solve_are_those_of_the_validation_curve_and_all_of_a_run_that_failed(tmp_path: Path):
    models = [model | {"solved": 0.9, "seeds": [0, 1]} for model in MODELS]
    plan = plan_of(models, [0, 1])
    for run in plan.runs.values():
        run["training"] |= {"validation_examples": 7}
    write_sealed(tmp_path / "plan.json", plan.as_json())
    curves: dict[tuple[str, int], tuple[str, list[float | None]]] = {
        ("asura-n1-i2", 0): ("finished", [0.5, 0.95, 0.8]),
        ("asura-n1-i2", 1): ("diverged", [0.5, 0.95, None]),
        ("bare-n1-i2", 0): ("finished", [0.5, 0.6, None]),
        ("bare-n1-i2", 1): ("out of memory", []),
    }
    for (model, seed), (status, scores) in curves.items():
        folder = folder_of(tmp_path, model, seed)
        write_run(folder, 0.8, status)
        lines = [{"step": 10 * k, "tokens": k, "validation_accuracy": score} for k, score in enumerate(scores, 1)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        record = read_sealed(folder / "training.json")
        identity = digest(plan.runs[f"runs/NA/{model}/seed{seed}"])
        write_sealed(
            folder / "training.json", record | {"metrics": checksum(folder / "metrics.jsonl"), "run": identity}
        )
    found = collect(tmp_path).scores
    found = found[found["metric"] == "steps_to_solve"]
    steps = next(iter(plan.runs.values()))["training"]["steps"]
    assert rows_of(found, "label", "seed", "value", "examples") == [
        ("asura-n1-i2", 0, 20, 7),
        ("asura-n1-i2", 1, steps, 7),
        ("bare-n1-i2", 0, steps, 7),
        ("bare-n1-i2", 1, steps, 7),
    ]


def test_what_made_the_runs_is_told_above_the_tables(study: Path):
    assert remarks(collect(study)) is None
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    write_sealed(path, read_sealed(path) | {"code": "old", "precision": "bfloat16"})
    found = collect(study)
    assert found.runs["code"].tolist() == ["other", "here", "here", "here"]
    said = str(remarks(found))
    assert "1 of 4 runs were made by other code" in said
    assert "Runs of NA were trained on cpu in bfloat16 and on cpu in float32." in said


def test_one_seed_is_said_to_have_no_interval(study: Path):
    results = collect(study)
    one = results.runs[(results.runs["label"] != "asura-n1-i2") | (results.runs["seed"] == 0)]
    assert remarks(results._replace(runs=one)) == "1 of 2 models have one seed, and therefore no interval."


@pytest.mark.parametrize(("shares", "said"), [((0.9, 0.98), "asura-n1-i2 on NA (94%)"), ((0.93, 0.97), None)])
def test_models_of_which_the_solver_finds_too_few_fixed_points_are_named(study: Path, shares: tuple, said: str | None):
    results = collect(study)
    scores = results.scores[(results.scores["label"] == "asura-n1-i2") & (results.scores["split"] == "test")]
    measured = scores.assign(metric="converged", value=scores["seed"].map(dict(enumerate(shares))))
    measured.loc[measured["iterations"] != 2, "value"] = 0.5  # which nobody trained
    remark = remarks(results._replace(scores=pd.concat([results.scores, measured])))
    assert remark is None if said is None else f"too few fixed points (share of positions) for {said}." in str(remark)


def test_a_benchmark_is_reported_as_a_task_of_its_own_beside_its_floor(tmp_path: Path):
    text = {"metric": "bits_per_byte", "chance": 8.0, "benchmarks": ["piqa", "copa"], "seeds": [0]}
    models = [model | text for model in MODELS]
    write_sealed(tmp_path / "plan.json", plan_of(models, [0])._asdict())
    for model in models:
        folder = folder_of(tmp_path, model["label"], 0)
        write_run(folder, 1.9)
        row = {"iterations": 2, "standard_error": 0.01, "examples": 9}
        rows = [
            row | {"split": "test", "metric": "bits_per_byte", "value": 1.9},
            row | {"benchmark": "piqa", "metric": "accuracy", "value": 0.6},
            row | {"benchmark": "piqa", "metric": "normalised_accuracy", "value": 0.5},
            row | {"benchmark": "copa", "metric": "accuracy", "value": 0.7},
        ]
        floors = {"piqa": {"accuracy": 0.53, "normalised_accuracy": 0.48}, "copa": {"accuracy": 0.59}}
        made_of = {"weights": "abc", "benchmarks": ["piqa", "copa"], **ASKED}
        evaluation = {"made_of": made_of, "rows": rows, "floors": floors, "shortcuts": {}}
        write_sealed(folder / "evaluation.json", evaluation)
    results = collect(tmp_path)
    assert progress(results) == "PARTIAL RESULTS: 2 of 2 runs"
    assert str(remarks(results)).startswith("2 of 2 runs were made by other code")
    tasks = results.runs.drop_duplicates("task")
    assert rows_of(tasks, "task", "metric", "chance") == [
        ("NA", "bits_per_byte", 8.0),
        ("NA/piqa", "accuracy", 0.53),
        ("NA/copa", "accuracy", 0.59),
    ]
    assert set(results.roles["task"]) == {"NA", "NA/piqa", "NA/copa"}
    assert set(results.curves["task"]) == set(results.resources["task"]) == {"NA"}
    scores = headline_by_model(results)
    assert scores["NA/piqa", "asura-n1-i2"].tolist() == [0.6]
    assert scores["NA", "bare-n1-i2"].tolist() == [1.9]


def test_a_study_is_collected_and_reported_without_torch():
    modules = "collect", "tables", "figures", "ablation_report", "report"
    imports = "import sys, " + ", ".join(f"asura.reporting.{name}" for name in modules)
    subprocess.run([sys.executable, "-c", f"{imports}; assert 'torch' not in sys.modules"], check=True)
