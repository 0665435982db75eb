"""What machines do to studies, done to one: it ends as a study that nothing happened to. Minutes: `make faults`."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from asura.files import checksum, read_json
from asura.runs import RunFolder
from asura.training.loop import train
from tests.conftest import tiny_run
from tests.workflow.conftest import call, copy_workflow, write

pytestmark = pytest.mark.faults
STUDY = {
    "name": "faults",
    "seeds": [0, 1, 2],
    "tasks": {"phop": {"hops": 1, "alphabet": 3, "length": 8}},
    "models": {"asura": {"n": 1, "i": [1, 2]}},
    "width": 8,
    "heads": 2,
    "training": {"steps": 1500, "batch": 4, "log_steps": 50, "checkpoint_steps": 100},
    "evaluation": {"examples": 50},
}
FRAMES = "results/faults/tidy/scores.csv"


def frames(folder: Path) -> dict[str, str]:
    return {name: checksum(folder / "results/faults/tidy" / f"{name}.csv") for name in ("scores", "curves", "runs")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = copy_workflow(tmp_path_factory.mktemp("undisturbed"))
    write(folder, STUDY)
    assert call(folder, FRAMES).returncode == 0
    return frames(folder)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen]]:
    """A study in the middle of its runs."""
    folder = copy_workflow(tmp_path)
    write(folder, STUDY)
    command = [sys.executable, "-m", "snakemake", FRAMES, "--cores", "2", "--configfile", "study.yaml"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    with (folder / "snakemake.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    wait_for(lambda: list(folder.glob("results/faults/runs/*/*/*/training.json")))
    yield folder, process
    process.kill()
    process.wait()


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def trainings(folder: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline", "cwd"])
    return [
        p for p in found if p.info["cwd"] == str(folder) and (p.info["cmdline"] or [])[1:4] == ["-m", "asura", "train"]
    ]


def test_a_training_killed_at_twenty_moments_ends_with_the_same_bits(tmp_path):
    run = tiny_run({"steps": 3000, "checkpoint_steps": 1, "log_steps": 50})
    straight = train(run, tmp_path / "straight")
    folder = RunFolder(tmp_path / "killed")
    folder.path.mkdir()
    folder.run.write_text(run.model_dump_json())
    moments = random.Random(0)
    killed = 0
    while killed < 20 and not folder.record.exists():
        process = subprocess.Popen([sys.executable, "-m", "asura", "train", folder.run, "--out", folder.path])
        time.sleep(1.5 + moments.random())
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    record = train(run, folder.path)
    assert killed >= 10 and len(record["resumed_at"]) >= 5
    assert record["weights"] == straight["weights"] and record["metrics"] == straight["metrics"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_training_that_is_told_to_leave_does_and_is_taken_up_again_by_itself(running, undisturbed, number):
    folder, snakemake = running
    wait_for(lambda: trainings(folder))
    training = trainings(folder)[0]
    started = training.cmdline()
    run = RunFolder(folder / started[started.index("--out") + 1])
    wait_for(run.checkpoint.exists)
    start = time.monotonic()
    training.send_signal(number)
    training.wait(10)
    assert time.monotonic() - start < 10
    assert snakemake.wait() == 0, (folder / "snakemake.log").read_text()
    assert read_json(run.record)["resumed_at"]
    assert frames(folder) == undisturbed


def test_a_snakemake_that_was_killed_runs_what_was_unfinished(running, undisturbed):
    folder, snakemake = running
    snakemake.kill()
    snakemake.wait()
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("results/faults/runs/*/*/*/training.json")}
    assert call(folder, "--unlock").returncode == 0
    done = call(folder, FRAMES)
    assert done.returncode == 0, done.stderr
    untouched = [path for path, time_ns in finished.items() if path.stat().st_mtime_ns == time_ns]
    assert len(untouched) >= len(finished) - 2  # all but those that ended while nobody took note
    assert frames(folder) == undisturbed


def test_the_second_of_two_snakemakes_is_told_so(running, undisturbed):
    folder, snakemake = running
    second = call(folder, FRAMES)
    assert second.returncode != 0 and "lock" in second.stderr.lower()
    assert snakemake.wait() == 0
    assert frames(folder) == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_in_one_line_and_a_larger_one_goes_on_to_the_same_bits(small_disk, tmp_path):
    run = tiny_run({"steps": 400, "checkpoint_steps": 10, "log_steps": 1})
    straight = train(run, tmp_path / "straight")
    folder = RunFolder(small_disk / "run")
    folder.path.mkdir()
    folder.run.write_text(run.model_dump_json())
    command = [sys.executable, "-m", "asura", "train", folder.run, "--out", folder.path]
    full = subprocess.run(command, capture_output=True, text=True, check=False)
    assert full.returncode == 1 and "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr and len(full.stderr.splitlines()) == 1
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    record = train(run, folder.path)
    assert record["weights"] == straight["weights"] and record["metrics"] == straight["metrics"]
