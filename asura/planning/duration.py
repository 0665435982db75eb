"""How long jobs take: those of a plan before any has run, and any jobs that share some workers."""

import heapq
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from asura.planning.jobs import jobs_of
from asura.planning.outputs import planned_figures
from asura.planning.plan import Plan

START = 2.0
"""Seconds in which a job starts Python and imports torch. This and the next three were measured on one free core of a
server."""

EACH_SEED = 0.3
"""Seconds that each seed of a job takes beside its FLOPs: building the model, drawing examples, writing files."""

AROUND = 8.0
"""Seconds of Snakemake itself, of the plan, the frames, the tables and the report."""

EACH_FIGURE = 1.4
"""Seconds in which one figure is drawn and written in three formats."""

HOPELESS = 14 * 86400
"""Seconds on a CPU from which on a study is for GPUs alone."""


class Speed(NamedTuple):
    """What a device reaches in training, in FLOP/s; of a CPU, one core."""

    device: str
    is_cpu: bool
    flops: float


class Estimate(NamedTuple):
    """Seconds that a study takes on `workers` cores, or on one accelerator.

    wall: from the first job to the report.
    starts, training, evaluation: of all jobs together, as if one worker did them.
    longest: of the longest job, below which no number of cores takes the study.
    """

    wall: float
    workers: int
    starts: float
    training: float
    evaluation: float
    longest: float


def usable_cores() -> int:
    """The cores that Snakemake takes for `--cores all`."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def estimated(plan: Plan, speeds: Mapping[str, Speed], evaluation_flops: Mapping[tuple[str, str], float]) -> Estimate:
    """How long a study takes on this machine, without its ablations and without benchmarks.

    speeds: of training, by task; scoring is taken to be as fast.
    evaluation_flops: of one run, by task and label.
    """
    training_flops = {(model["task"], model["label"]): model["training_flops"] for model in plan.models}
    starts = training = evaluation = 0.0
    jobs = []
    for job in jobs_of(plan):
        model, flops, seeds = (job.task, job.label), speeds[job.task].flops, len(job.seeds)
        trained = seeds * (EACH_SEED + training_flops[model] / flops)
        evaluated = seeds * (EACH_SEED + evaluation_flops[model] / flops)
        jobs.append(2 * START + trained + evaluated)  # a job that trains, and one that evaluates
        starts, training, evaluation = starts + 2 * START, training + trained, evaluation + evaluated
    workers = min(usable_cores(), len(jobs)) if all(speed.is_cpu for speed in speeds.values()) else 1
    around = AROUND + EACH_FIGURE * len(planned_figures(plan.models))
    return Estimate(around + makespan(jobs, workers), workers, starts, training, evaluation, max(jobs))


def makespan(waiting: Iterable[float], workers: int, running: Iterable[float] = ()) -> float:
    """When the last of these jobs ends, if each worker that is free takes the longest that waits.

    running: what is left of the jobs that workers have begun.
    """
    free = [*running]
    free += [0.0] * (workers - len(free))
    heapq.heapify(free)
    for seconds in sorted(waiting, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free, default=0.0)
