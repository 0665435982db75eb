"""A study moves to a cluster by its profile alone, and leaves the same tables."""

from pathlib import Path

import pytest

from tests.cluster.conftest import Workflow, run_here
from tests.cluster.slurm import Slurm
from tests.conftest import TINY
from tests.workflow.conftest import _warm  # noqa: F401, a fixture

STUDY = TINY | {
    "seeds": [0, 1],
    "resources": {"mem_mb": 700},
    "models": {
        "asura": {"n": 1, "i": 2, "resources": {"runtime": 7}},
        "bare": {"n": 1, "i": 2, "resources": {"mem_mb": 600, "gpu": 0}},
        "vanilla": {"n": 2, "resources": {"gpu": 2}},
    },
}
OPTIONS = ("--set-resources", "train:cpus_per_gpu=2")
ASKED = {
    "train_wildcards_phop_asura-n1-i2_0-1": ("700M", "14:00", "gres:gpu:1", "2"),
    "evaluate_wildcards_phop_asura-n1-i2_0-1": ("700M", "14:00", "N/A", "1"),
    "train_wildcards_phop_bare-n1-i2_0-1": ("600M", "8:00:00", "N/A", "1"),
    "evaluate_wildcards_phop_bare-n1-i2_0-1": ("600M", "2:00:00", "N/A", "1"),
    **{f"train_wildcards_phop_vanilla-n2_{k}": ("700M", "4:00:00", "gres:gpu:2", "4") for k in (0, 1)},
    **{f"evaluate_wildcards_phop_vanilla-n2_{k}": ("700M", "1:00:00", "gres:gpu:2", "2") for k in (0, 1)},
}
"""Memory, time, GPUs and cores of each job."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, slurm: Slurm) -> Workflow:
    """The study, run on the cluster from its start to its report."""
    workflow = Workflow(tmp_path_factory.mktemp("cluster"), STUDY, slurm)
    workflow.succeed(*OPTIONS)
    return workflow


def test_a_study_leaves_the_same_tables_as_on_this_machine(ran: Workflow, tmp_path: Path):
    assert ran.frames() == run_here(tmp_path, STUDY)
    assert (ran.results / "report.html").stat().st_size > 1e5


def test_every_training_and_evaluation_is_a_job_of_the_cluster_and_asks_for_what_it_needs(ran: Workflow):
    jobs = ran.slurm.jobs("Comment", "MinMemory", "TimeLimit", "tres-per-job", "NumCPUs", "State")
    assert {comment.removeprefix("rule_"): (*asked,) for comment, *asked, _ in jobs} == ASKED
    assert len(jobs) == len(ASKED) and all(state == "COMPLETED" for *_, state in jobs)
