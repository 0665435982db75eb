"""A study whose trainings last some seconds, the workflow that runs it, and what it must come to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asura.common.files import checksum
from tests.workflow.conftest import copy_workflow, write

STUDY: dict[str, Any] = {
    "name": "faults",
    "seeds": [0, 1],
    "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}},
    "models": {"asura": [{"n": 1, "i": 1, "resources": {"seeds_per_job": 1}}, {"n": 1, "i": 2}]},
    "width": 8,
    "heads": 2,
    "training": {"steps": 4000, "batch": 4, "log_steps": 50, "checkpoint_steps": 100},
    "evaluation": {"examples": 50},
}
RUNS = 4
FRAMES = "results/faults/tidy/scores.csv"


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake in a copy of the workflow, which goes on while a test does something to it."""
    write(copy_workflow(folder), STUDY)
    command = [sys.executable, "-m", "snakemake", FRAMES, "--cores", "2", "--configfile", "study.yaml", *arguments]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    with (folder / "snakemake.log").open("w") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,
        )


def _hear_ctrl_c() -> None:
    """Also where the tests run in the background of a shell, whose processes ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def frames(folder: Path) -> dict[str, str]:
    """Checksums of what the study measured, times left out."""
    return {name: checksum(folder / "results/faults/tidy" / f"{name}.csv") for name in ("scores", "curves", "runs")}


def records(folder: Path) -> list[Path]:
    """The records of trainings that have ended."""
    return list(folder.glob("results/faults/runs/*/*/*/training.json"))


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
