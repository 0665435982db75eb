"""A cluster, and studies that run on it through its profile."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.slurm import Slurm, Unavailable
from tests.conftest import TINY
from tests.workflow.conftest import call, copy_workflow, write

COMPARED = ("scores", "curves", "runs", "roles")
"""Frames without times, which must be the same wherever a study has run."""


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short path: it holds a socket
    try:
        cluster = Slurm(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder)


class Workflow:
    """A copy of the workflow with a study of its own."""

    def __init__(self, folder: Path, study: dict, slurm: Slurm) -> None:
        self.folder = copy_workflow(folder)
        self.slurm = slurm
        self.results = folder / "results" / study["name"]
        write(folder, study)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Run the study through the profile, polling sooner than a real cluster would like."""
        options = ["--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2"]
        command = [sys.executable, "-m", "snakemake", *arguments, *options, "--configfile", "study.yaml"]
        environment = self.slurm.environment | {"PYTHONPATH": str(self.folder)}
        with (self.folder / "snakemake.log").open("a") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def succeed(self, *arguments: str) -> None:
        self.end_well(self.start(*arguments))

    def end_well(self, process: subprocess.Popen) -> None:
        assert process.wait() == 0, (self.folder / "snakemake.log").read_text()

    def end_leftovers(self) -> None:
        """End what a job that was killed left: without cgroups, SLURM does not find all its processes."""
        for process in psutil.process_iter(["cwd"]):
            if process.info["cwd"] == str(self.folder):
                process.kill()

    def frames(self) -> dict[str, bytes]:
        return {name: (self.results / "tidy" / f"{name}.csv").read_bytes() for name in COMPARED}


def run_here(folder: Path, study: dict) -> dict[str, bytes]:
    """The frames of a study that has run on this machine, without a cluster."""
    write(copy_workflow(folder), study)
    done = call(folder, f"results/{study['name']}/tidy/scores.csv")
    assert done.returncode == 0, done.stderr
    return {name: (folder / "results" / study["name"] / "tidy" / f"{name}.csv").read_bytes() for name in COMPARED}


LONG = TINY | {
    "name": "long",
    "models": {"asura": {"n": 1, "i": 2, "resources": {"mem_mb": 700, "runtime": 1}}},
    "training": {"steps": 8000, "batch": 4, "log_steps": 100, "checkpoint_steps": 500},
}
"""A study of one training, long enough that something can happen to it."""
