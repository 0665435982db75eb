import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from asura.common.errors import UserError
from asura.common.files import checksum, read_sealed, write_sealed
from asura.common.source import path_of, reached
from asura.planning import outputs
from asura.planning.plan import Plan
from asura.planning.products import MODULES
from asura.planning.run_folder import digest
from asura.planning.runs import Run
from asura.reporting.collect import collect, progress, read_results, write_results
from asura.reporting.comparing import Comparing
from asura.reporting.figures import FIGURES
from asura.reporting.frames import COLUMNS, Results, headline_by_model, remarks
from asura.reporting.tables import TABLES
from tests.conftest import ROOT, tiny_run

USED: dict[str, Any] = {"cpu_seconds": 11.75, "job_rss_mb": 300.25, "job_device_mb": None}
SIZES = {"n": 1, "i": 2, "parameters": 100, "total_parameters": 150, "effective_depth": 2}
FLOPS = {"flops_per_token": 6e2, "inference_flops_per_token": 2e2, "training_flops": 6e5}
COST: dict[str, Any] = SIZES | FLOPS | {"tokens": 1000}
MODELS: list[dict[str, Any]] = [
    {"label": label, "task": "NA", "architecture": label.split("-")[0]}
    | COST
    | {"metric": "accuracy", "chance": 0.5, "benchmarks": [], "order": order, "seeds": [0, 1]}
    for order, label in enumerate(["asura-n1-i2", "bare-n1-i2"])
]
CHANCES = {"NA": {"test": 0.5}}
ROLE = {"task": "NA", "label": "bare-n1-i2", "control": "iso_recursion", "control_of": "asura-n1-i2"}
QUESTION = {"task": "NA", "row": "asura-n1-i2", "reference": "bare-n1-i2", "metric": "accuracy", "margin": 0.1}
SCORE = {"split": "test", "iterations": 2, "metric": "accuracy", "standard_error": 0.01, "examples": 640}
ASKED = {"iterations": "trained", "examples": 640}  # neither is the default
THIRD = 1 / 3  # has no short decimal


def folder_of(study: Path, label: str, seed: int) -> Path:
    return study / "runs" / "NA" / label / f"seed{seed}"


def run_of(label: str, seed: int) -> Run:
    return tiny_run().model_copy(update={"task_name": "NA", "label": label, "seed": seed})


def plan_of(models: list[dict], seeds: list[int]) -> Plan:
    runs = [run_of(model["label"], seed) for model in models for seed in seeds]
    return Plan(
        study="s",
        seeds=seeds,
        evaluation=ASKED,
        corpora={},
        chances=CHANCES,
        models=models,
        roles=[ROLE | {"deviation": -0.004}],
        runs={run.folder: run.stated() for run in runs},
        resources={},
        ablated={},
        code={f"NA/{model['label']}": {"training": "t", "evaluation": "e"} for model in models},
        against=None,
        questions=[QUESTION],
    )


def write_run(folder: Path, value: float, status: str = "finished") -> None:
    folder.mkdir(parents=True)
    run = run_of(folder.parent.name, int(folder.name.removeprefix("seed")))
    record: dict[str, Any] = {
        "status": status,
        "step": 20 if status == "finished" else 7,
        "weights": "abc",
        "seconds": 13.75,
    }
    record |= {"run": digest(run), "sessions": [USED], "code": "t", "device": "cpu", "precision": "float32"}
    rows = [SCORE | {"value": value}] if status == "finished" else []
    evaluation: dict[str, Any] = {"made_of": {"weights": "abc", **ASKED}, "rows": rows, "floors": {}, "code": "e"}
    evaluation["shortcuts"] = {"test": {"copy": 0.25, "1 hop": 0.5}}
    evaluation |= {"seconds": 0.9, **USED}
    write_sealed(folder / "evaluation.json", evaluation)
    losses = {10: value / 10, 20: None}  # as of a loss that is no number
    metrics = [{"step": step, "tokens": 50 * step, "loss": loss, "accuracy": value} for step, loss in losses.items()]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    write_sealed(folder / "training.json", record | {"metrics": checksum(folder / "metrics.jsonl")})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two models of two seeds, of which one run diverged."""
    write_sealed(tmp_path / "plan.json", plan_of(MODELS, [0, 1])._asdict())
    for model, value in {"asura-n1-i2": THIRD, "bare-n1-i2": 0.6}.items():
        for seed in (0, 1):
            diverged = (model, seed) == ("bare-n1-i2", 1)
            write_run(folder_of(tmp_path, model, seed), value + seed / 7, "diverged" if diverged else "finished")
    return tmp_path


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


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


def test_a_run_that_is_not_done_is_missing_in_partial_results(study: Path):
    unfinished = folder_of(study, "asura-n1-i2", 1)
    for name in ("training.json", "evaluation.json"):
        (unfinished / name).unlink()
    with (unfinished / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30, "tok')  # being written
    with pytest.raises(UserError, match=r"asura-n1-i2/seed1/training.json"):
        collect(study)
    so_far = collect(study, partial=True)
    assert progress(so_far) == "PARTIAL RESULTS: 3 of 4 runs"
    assert so_far.runs["status"].tolist() == ["finished", "missing", "finished", "diverged"]
    assert so_far.runs["step"].tolist() == [20, 0, 20, 7]
    assert ("asura-n1-i2", 1) not in rows_of(so_far.scores, "label", "seed")
    assert len(so_far.curves) == 8  # the curve so far among them
    assert len(so_far.resources) == 6


@pytest.mark.parametrize("name", ["training.json", "evaluation.json", "metrics.jsonl"])
def test_a_missing_file_is_named(name: str, study: Path):
    (folder_of(study, "bare-n1-i2", 0) / name).unlink()
    with pytest.raises(UserError, match=f"bare-n1-i2/seed0/{name}"):
        collect(study)


def test_a_study_that_has_not_begun_has_partial_results(study: Path):
    for path in study.glob("runs/**/*.*"):
        path.unlink()
    nothing = collect(study, partial=True)
    assert progress(nothing) == "PARTIAL RESULTS: 0 of 4 runs"
    assert all(len(make(nothing)) <= 4 for make in TABLES.values())


def test_what_sessions_of_a_training_used_is_summed_and_of_memory_the_most(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    sessions = [
        USED | {"cpu_seconds": 20.5, "job_device_mb": 7.5},
        USED | {"job_rss_mb": 400, "job_device_mb": 9.5},
    ]
    write_sealed(path, read_sealed(path) | {"sessions": sessions})
    used = collect(study).resources.iloc[0]
    assert used[["cpu_seconds", "job_rss_mb", "job_device_mb"]].tolist() == [32.25, 400, 9.5]


@pytest.mark.parametrize("sessions", [[{}], [USED, {}], []])
def test_what_a_record_of_an_earlier_version_does_not_say_is_empty(sessions: list, study: Path):
    folder = folder_of(study, "asura-n1-i2", 0)
    write_sealed(folder / "training.json", read_sealed(folder / "training.json") | {"sessions": sessions})
    evaluation = read_sealed(folder / "evaluation.json")
    kept = {key: value for key, value in evaluation.items() if key not in ("seconds", *USED)}
    write_sealed(folder / "evaluation.json", kept)
    results = collect(study)
    train, evaluate = results.resources.iloc[:2].to_dict("records")
    assert train["seconds"] == 13.75 and math.isnan(train["cpu_seconds"]) and math.isnan(train["job_rss_mb"])
    assert math.isnan(evaluate["seconds"]) and math.isnan(evaluate["cpu_seconds"])
    table = TABLES["resources"](results).set_index("model")
    assert table["total_cpu_seconds"].isna().tolist() == table["total_seconds"].isna().tolist() == [True, False]
    assert table["train_seconds"].tolist() == [13.75, 13.75]


def test_an_evaluation_of_other_weights_is_refused_and_in_partial_results_missing(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    write_sealed(path, read_sealed(path) | {"weights": "abd"})
    with pytest.raises(UserError, match=r"asura-n1-i2/seed0/evaluation.json: it is of other weights"):
        collect(study)
    assert collect(study, partial=True).runs["status"].tolist()[:2] == ["missing", "finished"]


def test_a_training_of_other_settings_is_refused_and_in_partial_results_missing(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "training.json"
    write_sealed(path, read_sealed(path) | {"run": digest(tiny_run())})
    with pytest.raises(UserError, match=r"asura-n1-i2/seed0/training.json: it is of other settings"):
        collect(study)
    assert collect(study, partial=True).runs["status"].tolist()[:2] == ["missing", "finished"]


def test_an_evaluation_of_fewer_examples_than_the_plan_asks_is_refused(study: Path):
    path = folder_of(study, "asura-n1-i2", 0) / "evaluation.json"
    evaluation = read_sealed(path)
    write_sealed(path, evaluation | {"made_of": evaluation["made_of"] | {"examples": 64}})
    with pytest.raises(UserError, match=r"asura-n1-i2/seed0/evaluation.json: .*was asked otherwise"):
        collect(study)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", ["training.json", "evaluation.json"])
def test_a_file_cut_short_is_named(name: str, partial: bool, study: Path):
    path = folder_of(study, "asura-n1-i2", 1) / name
    path.write_text(path.read_text()[:20])
    with pytest.raises(UserError, match=f"seed1/{name}: .* cut short.*; delete it"):
        collect(study, partial)


@pytest.mark.parametrize("name", ["training.json", "evaluation.json", "plan.json"])
@pytest.mark.parametrize("content", [{}, {"status": "odd"}, {"made_of": 3, "rows": "x"}])
def test_an_object_without_its_checksum_is_refused(name: str, content: dict, study: Path):
    path = study / name if name == "plan.json" else folder_of(study, "asura-n1-i2", 1) / name
    path.write_text(json.dumps(content))
    for partial in (False, True):
        with pytest.raises(UserError, match=f"{name}: its content does not have the checksum it was written with"):
            collect(study, partial)


@pytest.mark.parametrize("content", ["", "3\n", "[]\n"])
def test_metrics_that_are_not_those_of_the_record_are_refused(content: str, study: Path):
    (folder_of(study, "asura-n1-i2", 1) / "metrics.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"metrics\.jsonl: missing, or without the checksum in training\.json; delete"):
        collect(study)


def test_a_study_without_a_plan_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"plan.json: no such file"):
        collect(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "cannot be read as a table"),
        ("task,label\n", "found the columns"),
        ("\n".join([",".join(COLUMNS["curves"]), "a,b,c,d,e,f,g\n"]), "cannot be read as a table"),
    ],
)
def test_a_frame_that_is_damaged_is_refused(content: str | None, message: str, results: Results, tmp_path: Path):
    write_results(results, tmp_path)
    (tmp_path / "curves.csv").unlink()
    if content is not None:
        (tmp_path / "curves.csv").write_text(content)
    with pytest.raises(UserError, match=rf"curves.csv: .*{message}.*collect the study"):
        read_results(tmp_path)


def test_what_the_rules_declare_is_what_is_written():
    assert tuple(COLUMNS) == outputs.FRAMES
    assert tuple(TABLES) == outputs.TABLES
    assert tuple(FIGURES) == outputs.FIGURES
    for name in [*TABLES, *FIGURES]:
        assert (ROOT / "asura" / "reporting" / "captions" / f"{name}.rst").read_text().strip()


def test_every_module_of_reporting_is_a_reason_to_draw_again():
    roots = [f"asura.reporting.{module}" for modules in MODULES.values() for module in modules]
    found = reached(roots, ("asura.reporting.",), ())
    assert {path_of(module) for module in found} | {path_of("asura.reporting")} == set(
        path_of("asura.reporting").parent.rglob("*.py")
    )


def test_steps_to_solve_are_those_of_the_validation_curve(tmp_path: Path):
    models = [model | {"solved": 0.9, "seeds": [0]} for model in MODELS]
    plan = plan_of(models, [0])
    for run in plan.runs.values():
        run["training"] |= {"validation_examples": 7}
    write_sealed(tmp_path / "plan.json", plan.as_json())
    curves: dict[str, list[float | None]] = {"asura-n1-i2": [0.5, 0.95, 0.8], "bare-n1-i2": [0.5, 0.6, None]}
    for model, scores in curves.items():
        folder = folder_of(tmp_path, model, 0)
        write_run(folder, 0.8)
        lines = [{"step": 10 * k, "tokens": k, "validation_accuracy": score} for k, score in enumerate(scores, 1)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        record = read_sealed(folder / "training.json")
        identity = digest(plan.runs[f"runs/NA/{model}/seed0"])
        write_sealed(
            folder / "training.json", record | {"metrics": checksum(folder / "metrics.jsonl"), "run": identity}
        )
    found = collect(tmp_path).scores
    found = found[found["metric"] == "steps_to_solve"]
    steps = next(iter(plan.runs.values()))["training"]["steps"]
    assert rows_of(found, "label", "value", "examples") == [("asura-n1-i2", 20, 7), ("bare-n1-i2", steps, 7)]


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
