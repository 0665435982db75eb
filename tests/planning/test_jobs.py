"""Which runs share a job."""

from typing import Any

import pytest

from asura.planning.jobs import Job, jobs_of
from asura.planning.planner import make
from tests.conftest import TINY


def jobs(**changes: Any) -> list[Job]:
    return jobs_of(make(TINY | changes))


def model(**resources: int) -> dict[str, Any]:
    return {"asura": {"n": 1, "i": 2, "resources": resources}}


def test_a_job_has_all_seeds_of_a_model_and_at_most_ten():
    assert [job.name for job in jobs(seeds=[3, 1])] == ["phop/asura-n1-i2/3-1"]
    assert [job.seeds for job in jobs(seeds=list(range(23)))] == [
        tuple(range(10)),
        tuple(range(10, 20)),
        (20, 21, 22),
    ]
    largest = jobs(seeds=[2**63 - 1 - k for k in range(10)])
    assert len(largest) == 1 and len(largest[0].name.split("/")[-1]) < 255  # a name that a file system takes


@pytest.mark.parametrize("resources", [{"seeds_per_job": 1}, {"gpu": 4}, {"gpu": 4, "seeds_per_job": 3}])
def test_large_models_have_a_seed_a_job(resources: dict[str, int]):
    assert [job.seeds for job in jobs(seeds=[0, 1, 2], models=model(**resources))] == [(0,), (1,), (2,)]


def test_the_size_of_a_job_changes_no_run():
    one, two = (make(TINY | {"seeds": [0, 1, 2], "models": model(seeds_per_job=k)}) for k in (1, 2))
    assert one.runs == two.runs and [job.seeds for job in jobs_of(two)] == [(0, 1), (2,)]


def test_every_run_is_of_one_job():
    plan = make(TINY | {"seeds": [0, 1, 2], "controls": ["iso_param"], "models": {"asura": {"n": 1, "i": [1, 2]}}})
    assert sorted(run for job in jobs_of(plan) for run in job.runs) == sorted(plan.runs)


def test_an_ablation_leaves_to_the_study_what_the_study_has():
    study = make(TINY | {"seeds": [0, 1], "models": {"asura": {"n": 1, "i": 2, "seeds": [0, 1, 2]}}})
    ablation = make(TINY | {"seeds": [1, 4], "models": {"asura": [{"n": 1, "i": 2}, {"n": 1, "i": 1}]}})
    assert jobs_of(ablation, study) == [
        Job("phop", "asura-n1-i2", (0, 1, 2)),
        Job("phop", "asura-n1-i2", (4,)),
        Job("phop", "asura-n1-i1", (1, 4)),
    ]
