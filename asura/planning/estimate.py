"""What a plan looks like to a person, and how long it may take on this machine."""

import os
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from asura.planning.plan import Plan
from asura.planning.power import limits

LARGE = 1e17
"""Training FLOPs from which on a study is for GPUs."""

GPU_SPEED = 0.4 * 989e12
"""FLOP/s that well-kept training code reaches on one H100."""


class Speed(NamedTuple):
    """What a device reaches in training, in FLOP/s; of a CPU, one core."""

    device: str
    is_cpu: bool
    flops: float


def print_plan(plan: Plan, speed: Speed) -> None:
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
    console.print(_summary(plan, speed), highlight=False)
    for line in limits(plan):
        console.print(line, highlight=False)


def _summary(plan: Plan, speed: Speed) -> str:
    flops = sum(model["training_flops"] * len(model["seeds"]) for model in plan.models)
    hours = flops / speed.flops / 3600
    cores = os.cpu_count() or 1
    where = f"on one {speed.device}"
    if speed.is_cpu:
        hours, where = hours / cores, f"on the {cores} cores of this machine"
    on_gpu = ""
    if flops > LARGE:
        on_gpu = f"; {flops / GPU_SPEED / 3600:,.0f} GPU-hours at 40 % of an H100's dense bfloat16 peak, 989 TFLOP/s"
    return (
        f"\n{len(plan.models)} models{_times_seeds(plan)}{len(plan.runs)} runs, {flops:.3g} training FLOPs: "
        f"about {_duration(hours)} of training {where} (a probe reached {speed.flops:.2g} FLOP/s){on_gpu}"
    )


def _times_seeds(plan: Plan) -> str:
    counts = sorted({len(model["seeds"]) for model in plan.models})
    return f" × {counts[0]} seeds = " if len(counts) == 1 else f" with {counts[0]} to {counts[-1]} seeds each: "


def _duration(hours: float) -> str:
    return f"{hours:,.0f} hours" if hours >= 3 else f"{60 * hours:.0f} minutes"
