"""What a plan looks like to a person, and how long it may take on this machine."""

import os
import time

from rich.console import Console
from rich.table import Table
from torch import device as Device

from asura.matching import counted
from asura.models.vanilla import VanillaSettings
from asura.planning import Plan
from asura.runs import Run
from asura.tasks.phop import PHop
from asura.training.devices import describe, prepare
from asura.training.trainer import Trainer

PROBE_FLOPS = 2e10
"""FLOPs of a step of the probe, at most: about a second of one CPU core."""

PROBE_STEPS = 3

LARGE = 1e17
"""Training FLOPs from which on a study is for GPUs."""

GPU_SPEED = 0.4 * 989e12
"""FLOP/s that well-kept training code reaches on one H100."""


def print_plan(plan: Plan) -> None:
    """Print the models of a plan, each with its controls' distances from their targets, and an estimate of its time."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("task", "model"):
        table.add_column(name, overflow="fold")
    for name in ("parameters", "with embedding", "FLOPs/token", "training FLOPs", "tokens", "depth"):
        table.add_column(name, justify="right")
    table.add_column("control of", overflow="fold")
    for model in plan.models:
        roles = [r for r in plan.roles if (r["task"], r["label"]) == (model["task"], model["label"])]
        table.add_row(
            model["task"],
            model["label"],
            f"{model['parameters']:,}",
            f"{model['parameters'] + model['embedding_parameters']:,}",
            f"{model['flops_per_token']:.3g}",
            f"{model['training_flops']:.3g}",
            f"{model['tokens']:,}",
            str(model["effective_depth"]),
            "\n".join(f"{role['control_of']} ({role['control']}, {role['deviation']:+.2%})" for role in roles),
        )
    console = Console(width=None if os.isatty(1) else 200)
    console.print(table)
    console.print(_summary(plan), highlight=False)


def _summary(plan: Plan) -> str:
    flops = sum(model["training_flops"] for model in plan.models) * len(plan.seeds)
    device, speed = _speed(Run.model_validate(next(iter(plan.runs.values()))))
    hours = flops / speed / 3600
    cores = os.cpu_count() or 1
    where = f"on one {describe(device)}"
    if device.type == "cpu":
        hours, where = hours / cores, f"on the {cores} cores of this machine"
    on_gpu = ""
    if flops > LARGE:
        on_gpu = f"; {flops / GPU_SPEED / 3600:,.0f} GPU-hours at 40 % of an H100's dense bfloat16 peak, 989 TFLOP/s"
    return (
        f"\n{len(plan.models)} models × {len(plan.seeds)} seeds = {len(plan.runs)} runs, {flops:.3g} training FLOPs: "
        f"about {_duration(hours)} of training {where} (a probe reached {speed:.2g} FLOP/s){on_gpu}"
    )


def _speed(run: Run) -> tuple[Device, float]:
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
    return device, PROBE_STEPS * batch * flops / (time.perf_counter() - start)


def _duration(hours: float) -> str:
    return f"{hours:,.0f} hours" if hours >= 3 else f"{60 * hours:.0f} minutes"
