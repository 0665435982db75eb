"""Runs that fail in a study: recorded, in the tables, and the rest goes on."""

import pandas as pd
import pytest

from asura.checking.verify import verify
from tests.conftest import TINY, Tell
from tests.faults.test_out_of_memory import FAULT
from tests.workflow.conftest import call, copy_workflow, write

pytestmark = pytest.mark.faults
TOO_LARGE = {"task": "phop", "hops": 1, "alphabet": 3, "length": 2**20, "training": {"batch": 2**20}}
"""A batch of 8 TiB."""
STUDY = TINY | {
    "tasks": {"phop": TINY["tasks"]["phop"], "large": TOO_LARGE},
    "models": {"asura": {"n": 1, "i": 2}, "vanilla": {"n": 1, "training": {"learning_rate": 1e38}}},
}


def test_runs_that_diverge_or_run_out_of_memory_are_results(tmp_path, fault: Tell):
    fault("a run that diverges: its learning rate explodes", FAULT[1])
    fault(*FAULT, times=2)
    write(copy_workflow(tmp_path), STUDY)
    done = call(tmp_path)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results" / "tiny"
    runs = pd.read_csv(results / "tables" / "runs.csv").set_index(["task", "model"])["status"].to_dict()
    assert runs == {
        ("phop", "asura-n1-i2"): "finished",
        ("phop", "vanilla-n1+learning_rate=1e+38"): "diverged",
        ("large", "asura-n1-i2"): "out of memory",
        ("large", "vanilla-n1+learning_rate=1e+38"): "out of memory",
    }
    comparison = pd.read_csv(results / "tables" / "comparison.csv")
    assert comparison["diverged"].sum() == 1 and comparison["out of memory"].sum() == 2
    assert len(list(verify(results))) == 6
