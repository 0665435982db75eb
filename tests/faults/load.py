"""A study of five hundred tiny runs, and what says that each was made once."""

from pathlib import Path

import pandas as pd

from asura.common.files import read_json
from tests.conftest import TINY

RUNS = 500
STUDY = TINY | {"seeds": list(range(RUNS // 2)), "models": {"asura": {"n": 1, "i": [1, 2]}}}


def seconds_of_runs(results: Path) -> tuple[float, float]:
    """Seconds of all trainings, and of all evaluations; fails where a run was lost, or made twice."""
    records = [read_json(path) for path in results.rglob("training.json")]
    assert len(records) == RUNS and all(len(record["sessions"]) == 1 for record in records)
    runs = pd.read_csv(results / "tidy" / "runs.csv")
    assert len(runs) == RUNS and not runs.duplicated(["label", "seed"]).any() and (runs["status"] == "finished").all()
    evaluations = [read_json(path) for path in results.rglob("evaluation.json")]
    return sum(record["seconds"] for record in records), sum(evaluation["seconds"] for evaluation in evaluations)


def shares(training: float, evaluation: float, seconds: float, rest: str) -> str:
    """What a run takes, in parts."""
    parts = {
        "training": training,
        "evaluation": evaluation,
        f"starting twice and {rest}": seconds - training - evaluation,
    }
    return ", ".join(f"{part / RUNS:.1f} s {what}" for what, part in parts.items())
