"""Five hundred runs on one machine: nothing is lost, nothing runs twice. Half an hour on 2 cores."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.conftest import Tell
from tests.faults.load import RUNS, STUDY, seconds_of_runs, shares
from tests.workflow.conftest import copy_workflow, snakemake, write

pytestmark = pytest.mark.faults


def test_five_hundred_runs_are_each_made_once(tmp_path: Path, fault: Tell):
    write(copy_workflow(tmp_path), STUDY)
    begun = time.monotonic()
    with (tmp_path / "log").open("w") as log:
        options = ("--profile", "profiles/local", "--configfile", "study.yaml")
        done = snakemake(tmp_path, "results/tiny/tidy/scores.csv", *options, stdout=log, stderr=log)
    seconds = (time.monotonic() - begun) * (os.cpu_count() or 1)
    said = (tmp_path / "log").read_text()
    assert done.returncode == 0, said
    for rule in ("train", "evaluate"):
        jobs = re.findall(rf"^Job \d+: {rule} (.*)$", said, re.M)
        assert len(jobs) == len(set(jobs)) == RUNS
    parts = shares(*seconds_of_runs(tmp_path / "results" / "tiny"), seconds, "Snakemake")
    fault(f"{RUNS} tiny runs at once", f"nothing is lost or done twice; a run takes, per core, {parts}", RUNS)
