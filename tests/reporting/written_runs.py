"""Runs of a small study as training and evaluation leave them, written without either."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from asura.common.files import checksum, write_sealed
from asura.planning.plan import Plan
from asura.planning.run_folder import digest
from asura.planning.runs import Run
from tests.conftest import tiny_run

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
        trials=[],
        factors={},
        analyses={},
        external=[],
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


def write_study(folder: Path) -> None:
    """Two models of two seeds, of which one run diverged."""
    write_sealed(folder / "plan.json", plan_of(MODELS, [0, 1])._asdict())
    for model, value in {"asura-n1-i2": THIRD, "bare-n1-i2": 0.6}.items():
        for seed in (0, 1):
            diverged = (model, seed) == ("bare-n1-i2", 1)
            write_run(folder_of(folder, model, seed), value + seed / 7, "diverged" if diverged else "finished")


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(frame[list(columns)].itertuples(index=False, name=None))
