"""Trainings and Snakemakes that are killed or told to leave: the study ends as one that nothing happened to."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from asura.planning.run_folder import RunFolder
from asura.training.loop import train
from tests.conftest import Tell, tiny_run
from tests.faults.studies import FRAMES, RUNS, STUDY, frames, records, start, wait_for
from tests.training.trainings import same_end
from tests.training.trainings import start as start_training
from tests.workflow.conftest import call, copy_workflow, in_training, trainings, write

pytestmark = pytest.mark.faults
KILLS = 20


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = copy_workflow(tmp_path_factory.mktemp("undisturbed"))
    write(folder, STUDY)
    assert call(folder, FRAMES).returncode == 0
    return frames(folder)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Snakemake in the middle of its trainings, one of which has ended."""
    process = start(tmp_path)
    wait_for(lambda: records(tmp_path))
    yield process
    process.kill()
    process.wait()
    for training in trainings(tmp_path):
        training.wait()


def _is_later(path: Path, before: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > before


def test_a_training_killed_at_random_moments_ends_with_the_same_bits(tmp_path: Path, fault: Tell):
    fault("a training is killed (SIGKILL) at a random moment", "it resumes from its last checkpoint: same bits", KILLS)
    run = tiny_run({"steps": 4000, "checkpoint_steps": 1, "log_steps": 50})
    train(run, tmp_path / "straight")
    folder = RunFolder(tmp_path / "killed")
    moments = random.Random(0)
    for _ in range(KILLS):
        before = folder.checkpoint.stat().st_mtime_ns if folder.checkpoint.exists() else 0
        process = start_training(run, folder.path)
        wait_for(partial(_is_later, folder.checkpoint, before))
        time.sleep(moments.random() / 4)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert len(train(run, folder.path)["sessions"]) == KILLS + 1
    same_end(folder.path, tmp_path / "straight")
    assert {path.name for path in folder.path.iterdir()} == {path.name for path in (tmp_path / "straight").iterdir()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_training_that_is_told_to_leave_is_taken_up_again_by_itself(
    tmp_path: Path, running: subprocess.Popen, undisturbed: dict[str, str], number: int, fault: Tell
):
    fault("SIGINT, SIGTERM or SIGUSR1 to a training", "it saves and exits within 10 s; Snakemake restarts it")
    wait_for(lambda: in_training(tmp_path))
    training, run = in_training(tmp_path)[0]
    training.send_signal(number)
    training.wait(10)
    assert running.wait() == 0, (tmp_path / "snakemake.log").read_text()
    assert [session["step"] > 0 for session in run.read_record()["sessions"]] == [False, True]
    assert frames(tmp_path) == undisturbed


def test_after_ctrl_c_the_same_command_goes_on(
    tmp_path: Path, running: subprocess.Popen, undisturbed: dict[str, str], fault: Tell
):
    fault("Ctrl-C in the terminal of a Snakemake", "every training saves and exits; the same command resumes them")
    wait_for(lambda: in_training(tmp_path))
    begun = [run for _, run in in_training(tmp_path)]
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(60) != 0
    stopped = [run for run in begun if not run.record.exists()]
    logs = [(run.path / "train.log").read_text() for run in stopped]
    assert logs and all("stopped; start again to go on" in log and "Traceback" not in log for log in logs)
    done = call(tmp_path, FRAMES)
    assert done.returncode == 0, done.stderr
    assert all(run.read_record()["sessions"][-1]["step"] > 0 for run in stopped)
    assert frames(tmp_path) == undisturbed


def test_a_snakemake_that_was_killed_runs_what_was_unfinished(
    tmp_path: Path, running: subprocess.Popen, undisturbed: dict[str, str], fault: Tell
):
    fault("Snakemake itself is killed", "after `--unlock`, only the unfinished runs continue")
    wait_for(lambda: in_training(tmp_path))
    running.kill()
    running.wait()
    orphans = trainings(tmp_path)
    for training in orphans:
        training.wait()
    assert all(run.record.exists() for runs in orphans.values() for run in runs)
    finished = {path: path.read_bytes() for path in records(tmp_path)}  # some ended while there was no Snakemake
    assert len(finished) < RUNS
    assert call(tmp_path, "--unlock").returncode == 0
    done = call(tmp_path, FRAMES)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in finished} == finished
    assert len(records(tmp_path)) == RUNS and frames(tmp_path) == undisturbed


def test_the_second_of_two_snakemakes_is_told_so(
    tmp_path: Path, running: subprocess.Popen, undisturbed: dict[str, str], fault: Tell
):
    what = "it reports that the folder is locked and how to unlock it"
    fault("a second Snakemake on one study, its file edited", f"{what}; the plan of the first stays")
    path = tmp_path / "results" / "faults" / "plan.json"
    plan = path.read_bytes()
    write(tmp_path, STUDY | {"seeds": [0, 1, 2], "training": STUDY["training"] | {"learning_rate": 0.5}})
    for options in ((), ("--dry-run",)):
        second = call(tmp_path, FRAMES, *options)
        assert "asura: results/faults: it is planned otherwise, and stays so" in second.stderr
        assert "Traceback" not in second.stderr
        if not options:
            assert second.returncode != 0
            assert "Directory cannot be locked" in second.stderr and "--unlock" in second.stderr
    assert running.wait() == 0
    assert frames(tmp_path) == undisturbed
    assert path.read_bytes() == plan
    call(tmp_path, FRAMES, "--dry-run")
    assert path.read_bytes() != plan


def test_of_two_trainings_of_one_run_at_once_one_result_stands(tmp_path: Path, fault: Tell):
    fault("two trainings of one run at once", "neither harms the other; the first to finish is kept", 3)
    run = tiny_run({"steps": 600, "checkpoint_steps": 1, "log_steps": 7})
    train(run, tmp_path / "straight")
    for k in range(3):
        both = [start_training(run, tmp_path / str(k)) for _ in range(2)]
        outputs = [process.communicate() for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        same_end(tmp_path / str(k), tmp_path / "straight")
        assert not list((tmp_path / str(k)).glob("*checkpoint*"))
