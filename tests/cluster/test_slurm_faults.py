"""Whatever happens to a study on a cluster, it ends as one that nothing happened to. Minutes: `make faults`."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from asura.planning.run_folder import RunFolder
from tests.cluster.conftest import LONG, Workflow, run_here
from tests.cluster.slurm import Slurm
from tests.conftest import TINY, Tell
from tests.workflow.conftest import trainings

pytestmark = pytest.mark.cluster
TAKEN_AWAY = (
    "SLURM: a job is cancelled, out of time, or on a node that fails",
    "it is submitted again, asks for more, and resumes: same tables",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run_here(tmp_path_factory.mktemp("here"), LONG)


@pytest.fixture
def workflow(tmp_path: Path, slurm: Slurm) -> Workflow:
    return Workflow(tmp_path, LONG, slurm)


@pytest.fixture
def in_training(workflow: Workflow) -> Iterator[subprocess.Popen]:
    """Snakemake, whose one training has saved a checkpoint."""
    process = workflow.start("results/long/tidy/scores.csv")
    workflow.slurm.wait_for(run_of(workflow).checkpoint.exists)
    yield process
    process.kill()
    process.wait()
    workflow.end_leftovers()


def run_of(workflow: Workflow) -> RunFolder:
    return RunFolder(workflow.results / "runs" / "phop" / "asura-n1-i2" / "seed0")


def attempts(workflow: Workflow, *fields: str) -> list[list[str]]:
    """Fields of each job that trained in this copy of the workflow."""
    jobs = workflow.slurm.jobs("WorkDir", "Comment", *fields)
    return [rest for folder, comment, *rest in jobs if folder == str(workflow.folder) and "rule_train" in comment]


def test_a_cancelled_training_is_submitted_again_with_more_and_goes_on(workflow, in_training, undisturbed, fault: Tell):
    fault(*TAKEN_AWAY)
    ((job,),) = attempts(workflow, "JobID")
    workflow.slurm.ask("scancel", job)
    workflow.end_well(in_training)
    assert attempts(workflow, "State", "MinMemory") == [["CANCELLED", "700M"], ["COMPLETED", "1400M"]]
    assert run_of(workflow).read_record()["sessions"][1]["step"] > 0
    assert workflow.frames() == undisturbed


def test_a_training_that_runs_out_of_time_is_given_more_and_goes_on(workflow, in_training, undisturbed, fault: Tell):
    fault(*TAKEN_AWAY)
    (training,) = trainings(workflow.folder)
    training.suspend()  # until SLURM wakes it to tell it that its time is up
    workflow.end_well(in_training)
    assert attempts(workflow, "State", "TimeLimit") == [["TIMEOUT", "1:00"], ["COMPLETED", "2:00"]]
    assert run_of(workflow).read_record()["sessions"][1]["step"] > 0
    assert workflow.frames() == undisturbed


def test_a_node_that_goes_down_and_comes_back_takes_its_training_up_again(
    workflow, in_training, undisturbed, fault: Tell
):
    fault(*TAKEN_AWAY)
    slurm = workflow.slurm
    slurm.ask("scontrol", "update", f"nodename={slurm.host}", "state=down", "reason=test")
    slurm.wait_for(lambda: not trainings(workflow.folder))
    assert slurm.node_state().startswith("down")
    slurm.ask("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    workflow.end_well(in_training)
    assert run_of(workflow).read_record()["sessions"][1]["step"] > 0
    assert workflow.frames() == undisturbed


def test_a_controller_that_is_restarted_loses_no_job(workflow, in_training, undisturbed, fault: Tell):
    fault("SLURM: the controller restarts during a study", "no job is lost: same tables")
    workflow.slurm.stop_controller()
    workflow.slurm.start_controller()
    workflow.end_well(in_training)
    assert attempts(workflow, "State") == [["COMPLETED"]]
    assert len(run_of(workflow).read_record()["sessions"]) == 1
    assert workflow.frames() == undisturbed


def test_what_a_killed_snakemake_leaves_running_destroys_nothing(workflow, in_training, undisturbed, fault: Tell):
    what = "SLURM: Snakemake is killed while its jobs run on, unlocked and started again"
    fault(what, "trainings that run twice destroy nothing; one result is kept: same tables")
    in_training.send_signal(signal.SIGKILL)
    in_training.wait()
    assert trainings(workflow.folder)
    workflow.succeed("--unlock")
    again = workflow.start("results/long/tidy/scores.csv")
    workflow.slurm.wait_for(lambda: len(trainings(workflow.folder)) == 2)
    workflow.end_well(again)
    workflow.slurm.wait_for(lambda: not workflow.slurm.running())
    assert attempts(workflow, "State") == [["COMPLETED"], ["COMPLETED"]]
    workflow.succeed("results/long/tidy/scores.csv")
    assert workflow.frames() == undisturbed
    assert not run_of(workflow).checkpoint.exists()


def test_runs_in_a_group_are_one_job_that_needs_no_more_than_one_of_them(tmp_path, slurm):
    study = TINY | {"seeds": [0, 1, 2]}
    workflow = Workflow(tmp_path / "cluster", study, slurm)
    groups = ["--groups", "train=runs", "evaluate=runs", "--group-components", "runs=3", "--cores", "1"]
    workflow.succeed("results/tiny/tidy/scores.csv", *groups)
    jobs = slurm.jobs("WorkDir", "MinMemory", "tres-alloc", "tres-per-job", "State")
    ((memory, cpus, gpus, state),) = [rest for folder, *rest in jobs if folder == str(workflow.folder)]
    assert (memory, gpus, state) == ("2000M", "gres:gpu:1", "COMPLETED")
    assert cpus.startswith("cpu=1,")
    assert workflow.frames() == run_here(tmp_path / "here", study)
