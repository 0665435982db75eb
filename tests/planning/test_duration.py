"""How long jobs take on some workers, and a study on this machine."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from asura.evaluation.cost import evaluation_flops
from asura.planning import duration, estimate
from asura.planning.duration import AROUND, EACH_FIGURE, EACH_SEED, START, Speed, estimated, makespan
from asura.planning.outputs import planned_figures
from asura.planning.plan import Plan
from asura.planning.planner import make
from tests.conftest import TINY

CPU = Speed("cpu", True, 1e6)
GPU = Speed("H100", False, 1e6)


def plan_of(**changes: Any) -> Plan:
    return make(TINY | {"seeds": [0, 1], "models": {"asura": {"n": 1, "i": [1, 2]}}} | changes)


def shown(plan: Plan, speed: Speed, capsys: pytest.CaptureFixture[str]) -> str:
    estimate.print_plan(
        plan, {task: speed for task in {model["task"] for model in plan.models}}, evaluation_flops(plan)
    )
    return capsys.readouterr().out


def test_jobs_are_packed_the_longest_first():
    assert makespan([], 2) == 0
    assert makespan([3, 1, 2], 1) == 6
    assert makespan([1, 1, 1, 3], 2) == 3
    assert makespan([5, 1, 1], 9) == 5  # the longest job bounds the time
    assert makespan([2, 1], 2, running=[4]) == 4
    assert makespan([], 1, running=[4, 2]) == 4


def ends(jobs: Sequence[int], workers: int) -> Iterator[list[int]]:
    """When each worker ends, in every way to give jobs to workers."""
    for given in itertools.product(range(workers), repeat=len(jobs)):
        yield [sum(job for job, to in zip(jobs, given, strict=True) if to == worker) for worker in range(workers)]


def test_no_packing_is_shorter_than_the_work_or_the_longest_job_and_none_takes_twice_the_best():
    for jobs in itertools.product([1, 2, 5], repeat=4):
        for workers in (1, 2, 3):
            found = makespan(jobs, workers)
            of_each = itertools.product(range(workers), repeat=len(jobs))
            best = min(
                max(sum(j for j, w in zip(jobs, at, strict=True) if w == k) for k in range(workers)) for at in of_each
            )
            assert max(max(jobs), sum(jobs) / workers) <= best <= found < 4 / 3 * best + 1e-9


def test_an_estimate_adds_starts_training_evaluation_and_what_is_around(monkeypatch):
    plan, speeds = plan_of(), {"phop": CPU}
    monkeypatch.setattr(duration, "usable_cores", lambda: 8)
    found = estimated(plan, speeds, flops := evaluation_flops(plan))
    of_models = [
        2 * START + 2 * (2 * EACH_SEED + (model["training_flops"] + flops["phop", model["label"]]) / 1e6)
        for model in plan.models
    ]
    assert found.workers == 2 and found.longest == pytest.approx(max(of_models))
    assert found.starts + found.training + found.evaluation == pytest.approx(sum(of_models))
    around = AROUND + EACH_FIGURE * len(planned_figures(plan.models))
    assert found.wall == pytest.approx(around + max(of_models))
    monkeypatch.setattr(duration, "usable_cores", lambda: 1)
    assert estimated(plan, speeds, flops).wall == pytest.approx(around + sum(of_models))
    one_gpu = estimated(plan, {"phop": GPU}, flops)
    assert one_gpu.workers == 1 and one_gpu.wall == pytest.approx(around + sum(of_models))


def test_seeds_of_a_job_share_its_start():
    plan, alone = plan_of(), plan_of(models={"asura": {"n": 1, "i": [1, 2], "resources": {"seeds_per_job": 1}}})
    flops = evaluation_flops(plan)
    together, apart = (estimated(each, {"phop": CPU}, flops) for each in (plan, alone))
    assert apart.starts == 2 * together.starts and apart.training == pytest.approx(together.training)


def test_evaluation_costs_what_its_tokens_cost_at_all_iterations():
    """Four splits of 50 examples: of 8 tokens, and the longer one of 16; each at twice the iterations of training.

    The head, of 8 × 3 weights, is evaluated at each number, the blocks once at each iteration.
    """
    plan = plan_of(models={"asura": {"n": 1, "i": 2}, "vanilla": {"n": 1}})
    asura, vanilla = plan.models
    flops = evaluation_flops(plan)
    tokens = 50 * (8 + 8 + 8 + 16)
    blocks, head = asura["inference_flops_per_token"] - 48, 48
    assert flops["phop", asura["label"]] == tokens * (2 * blocks + 4 * head)
    assert flops["phop", vanilla["label"]] == tokens * vanilla["inference_flops_per_token"]
    listed = evaluation_flops(plan._replace(evaluation=plan.evaluation | {"iterations": [64, 8]}))
    assert listed["phop", asura["label"]] == tokens * (32 * blocks + 3 * head)
    assert listed["phop", vanilla["label"]] == flops["phop", vanilla["label"]]


def test_where_a_cpu_is_hopeless_only_gpu_hours_are_said(capsys):
    plan = plan_of()
    for model in plan.models:
        model["training_flops"] *= 1e14
    said = shown(plan, Speed("cpu", True, 1e10), capsys)
    assert "GPU-hours at 40 %" in said and "too much for the CPU of this machine" in said
    assert "cores" not in said and "seconds" not in said and " days" not in said
    assert "on one H100 of this machine" in " ".join(shown(plan, GPU._replace(flops=4e14), capsys).split())


def test_a_small_study_is_said_in_seconds_on_the_cores_that_it_uses(capsys, monkeypatch):
    monkeypatch.setattr(duration, "usable_cores", lambda: 8)
    monkeypatch.setattr(estimate, "usable_cores", lambda: 8)
    said = " ".join(shown(plan_of(), Speed("cpu", True, 1e9), capsys).split())
    assert "= 4 runs in 2 jobs" in said and "seconds on 2 of the 8 cores of this machine" in said
    assert "8 seconds to start processes" in said and "GPU" not in said and "benchmarks" not in said
