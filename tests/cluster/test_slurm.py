"""A study moves to a cluster by its profile alone, and leaves the same tables."""

from pathlib import Path

import pytest

from tests.cluster.conftest import Workflow, run_here
from tests.cluster.slurm import Slurm
from tests.conftest import TINY

STUDY = TINY | {
    "models": {
        "asura": {"n": 1, "i": 2, "resources": {"mem_mb": 700, "runtime": 7}},
        "vanilla": {"n": 2, "resources": {"gpu": 0}},
    },
}
ASKED = {
    "rule_train_wildcards_phop_asura-n1-i2_0": ("700M", "7:00", "gres:gpu:1"),
    "rule_evaluate_wildcards_phop_asura-n1-i2_0": ("700M", "7:00", "gres:gpu:1"),
    "rule_train_wildcards_phop_vanilla-n2_0": ("2000M", "4:00:00", "N/A"),
    "rule_evaluate_wildcards_phop_vanilla-n2_0": ("2000M", "1:00:00", "N/A"),
}
"""Memory, time and GPUs of each job."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, slurm: Slurm) -> Workflow:
    """The study, run on the cluster from its start to its report."""
    workflow = Workflow(tmp_path_factory.mktemp("cluster"), STUDY, slurm)
    workflow.succeed()
    return workflow


def test_a_study_leaves_the_same_tables_as_on_this_machine(ran: Workflow, tmp_path: Path):
    assert ran.frames() == run_here(tmp_path, STUDY)
    assert (ran.results / "report.html").stat().st_size > 1e5


def test_every_training_and_evaluation_is_a_job_of_the_cluster_and_asks_for_what_it_needs(ran: Workflow):
    jobs = ran.slurm.jobs("Comment", "MinMemory", "TimeLimit", "tres-per-job", "State")
    assert {comment: (*asked,) for comment, *asked, _ in jobs} == ASKED
    assert len(jobs) == len(ASKED) and all(state == "COMPLETED" for *_, state in jobs)
