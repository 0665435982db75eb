"""How fast this machine trains, by a few steps of one block."""

import time

from asura.models.vanilla import VanillaSettings
from asura.planning.costs import counted
from asura.planning.estimate import Speed
from asura.planning.runs import Run
from asura.tasks.phop import PHop
from asura.training.devices import describe, prepare
from asura.training.trainer import Trainer

PROBE_FLOPS = 2e10
"""FLOPs of a step of the probe, at most: about a second of one CPU core."""

PROBE_STEPS = 3


def measured_speed(run: Run) -> Speed:
    """FLOP/s of training one block of a run's width, at its batch or as much of that as is quick."""
    device = prepare(threads=1)
    model = VanillaSettings(n=1, width=run.model.width, heads=run.model.heads, mlp_width=run.model.mlp_width)
    flops = counted(model, run.task.vocabulary, run.task.sequence_length).flops
    batch = max(1, min(run.training.batch, int(PROBE_FLOPS / flops)))
    training = run.training.model_copy(update={"batch": batch, "accumulate": 1, "compile": False})
    task = PHop(alphabet=run.task.vocabulary, length=max(2, run.task.sequence_length))  # needs no data to be there
    trainer = Trainer(run.model_copy(update={"model": model, "training": training, "task": task}), device)
    trainer.advance()
    trainer.measure()
    start = time.perf_counter()
    for _ in range(PROBE_STEPS):
        trainer.advance()
    trainer.measure()
    seconds = time.perf_counter() - start
    return Speed(describe(device), device.type == "cpu", PROBE_STEPS * batch * flops / seconds)
