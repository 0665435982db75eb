"""Five hundred runs on one machine: nothing is lost, nothing runs twice. Half an hour on 2 cores."""

import os
import re
import time
from pathlib import Path

import pandas as pd
import pytest

from asura.files import read_json
from tests.conftest import TINY
from tests.faults.conftest import Tell
from tests.workflow.conftest import copy_workflow, snakemake, write

pytestmark = pytest.mark.faults
RUNS = 500
STUDY = TINY | {"seeds": list(range(RUNS // 2)), "models": {"asura": {"n": 1, "i": [1, 2]}}}


def test_five_hundred_runs_are_each_made_once(tmp_path: Path, fault: Tell):
    write(copy_workflow(tmp_path), STUDY)
    cores = os.cpu_count() or 1
    begun = time.monotonic()
    with (tmp_path / "log").open("w") as log:
        options = ("--cores", str(cores), "--configfile", "study.yaml")
        done = snakemake(tmp_path, "results/tiny/tidy/scores.csv", *options, stdout=log, stderr=log)
    seconds = (time.monotonic() - begun) * cores
    said = (tmp_path / "log").read_text()
    assert done.returncode == 0, said
    results = tmp_path / "results" / "tiny"
    for rule in ("train", "evaluate"):
        jobs = re.findall(rf"^Job \d+: {rule} (.*)$", said, re.M)
        assert len(jobs) == len(set(jobs)) == RUNS
    records = [read_json(path) for path in results.rglob("training.json")]
    assert len(records) == RUNS and all(len(record["sessions"]) == 1 for record in records)
    runs = pd.read_csv(results / "tidy" / "runs.csv")
    assert len(runs) == RUNS and not runs.duplicated(["label", "seed"]).any() and (runs["status"] == "finished").all()
    used = pd.read_csv(results / "tidy" / "resources.csv")["seconds"].sum()
    training = sum(record["seconds"] for record in records)
    parts = {"training": training, "starting twice and evaluation": used - training, "Snakemake": seconds - used}
    shares = [f"{part / RUNS:.1f} s {what}" for what, part in parts.items()]
    fault(f"{RUNS} tiny runs at once", f"nothing lost, nothing twice; a run takes {', '.join(shares)}", RUNS)
