"""How fast this machine trains, by a few steps of one block."""

import time
from collections.abc import Mapping

from asura.models.vanilla import VanillaSettings
from asura.planning.costs import counted
from asura.planning.duration import Speed
from asura.planning.plan import Plan
from asura.planning.runs import Run
from asura.tasks.phop import PHop
from asura.training.devices import describe, prepare
from asura.training.trainer import Trainer

PROBE_FLOPS = 5e9
"""FLOPs of a step of the probe, at most: about a quarter of a second of one CPU core."""

PROBE_STEPS, PROBE_SECONDS = 3, 0.3
"""Least of both that is measured."""


def measured_speeds(plan: Plan) -> Mapping[str, Speed]:
    """The speed of training on each task of a plan, by the first of its runs."""
    first: dict[str, Run] = {}
    for content in plan.runs.values():
        if content["task_name"] not in first:
            first[content["task_name"]] = Run.model_validate(content)
    return {task: measured_speed(run) for task, run in first.items()}


def measured_speed(run: Run) -> Speed:
    """FLOP/s of training one block of a run's width, at its batch or as much of that as is quick."""
    device = prepare(threads=1)
    model = VanillaSettings(n=1, width=run.model.width, heads=run.model.heads, mlp_width=run.model.mlp_width)
    flops = counted(model, run.task.vocabulary, run.task.sequence_length).flops
    asked = run.training
    batch = max(1, min(asked.batch, int(PROBE_FLOPS / flops)))
    # It may take more steps than the run, whose schedule would have no rate for them.
    plain = {"compile": False, "schedule": "constant", "schedule_settings": {}, "warmup_steps": 0}
    replayed = asked.cuda_graph and asked.accumulate == 1
    training = asked.model_copy(update={**plain, "batch": batch, "accumulate": 1, "cuda_graph": replayed})
    task = PHop(alphabet=run.task.vocabulary, length=max(2, run.task.sequence_length))  # needs no data to be there
    trainer = Trainer(run.model_copy(update={"model": model, "training": training, "task": task}), device)
    trainer.advance()
    trainer.measure()
    clock = time.process_time if device.type == "cpu" else time.perf_counter  # of a core as it is when it is free
    start, steps, seconds = clock(), 0, 0.0
    while steps < PROBE_STEPS or seconds < PROBE_SECONDS:
        trainer.advance()
        if device.type != "cpu":
            trainer.measure()
        steps, seconds = steps + 1, clock() - start
    return Speed(describe(device), device.type == "cpu", steps * batch * flops / seconds)
