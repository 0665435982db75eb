"""Five hundred runs on a cluster, many in a job: nothing is lost, nothing runs twice. Half an hour on 2 cores."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import Workflow
from tests.cluster.slurm import Slurm
from tests.conftest import Tell
from tests.faults.load import RUNS, STUDY, seconds_of_runs, shares

pytestmark = pytest.mark.cluster
RUNS_IN_A_JOB = 20


def test_five_hundred_runs_are_each_made_once_by_a_cluster(tmp_path: Path, slurm: Slurm, fault: Tell):
    workflow = Workflow(tmp_path, STUDY, slurm)
    groups = ["--groups", "train=runs", "evaluate=runs", "--group-components", f"runs={RUNS_IN_A_JOB}", "--cores", "1"]
    begun = time.monotonic()
    workflow.succeed("results/tiny/tidy/scores.csv", *groups)
    seconds = (time.monotonic() - begun) * (os.cpu_count() or 1)
    said = (tmp_path / "snakemake.log").read_text()
    submitted = re.findall(r"has been submitted with SLURM jobid (\d+)", said)
    assert len(submitted) == len(set(submitted)) == RUNS / RUNS_IN_A_JOB
    parts = shares(*seconds_of_runs(workflow.results), seconds, "SLURM and Snakemake")
    what = f"{RUNS} tiny runs at once through SLURM, {RUNS_IN_A_JOB} in a job"
    fault(what, f"nothing is lost or done twice; a run takes, per core, {parts}", RUNS)
