"""What a plan looks like to a person, with how long it may take on this machine."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from asura.common.log_lines import duration
from asura.planning.choices import tuned_models
from asura.planning.control_settings import TOLERANCE
from asura.planning.duration import HOPELESS, Estimate, Speed, estimated, usable_cores
from asura.planning.jobs import jobs_of
from asura.planning.plan import Plan
from asura.planning.power import limits

LARGE = 1e17
"""Training FLOPs from which on a study is for GPUs."""

GPU_SPEED = 0.4 * 989e12
"""FLOP/s that well-kept training code reaches on one H100."""


COSTS = {
    "parameters": "parameters",
    "with embedding": "total_parameters",
    "FLOPs": "flops_per_token",
    "inference FLOPs": "inference_flops_per_token",
    "tokens": "tokens",
    "depth": "effective_depth",
    "width": "width",
}
"""What a control may have more or less of than its cell, by its name in the plan."""


def print_plan(plan: Plan, speeds: Mapping[str, Speed], evaluation_flops: Mapping[tuple[str, str], float]) -> None:
    """Print the models of a plan, how each control compares with its cell, and an estimate of the time.

    The last two arguments are those of `estimated`.
    """
    console = Console(width=None if os.isatty(1) else 200)
    console.print(_models(plan))
    if plan.roles:
        console.print()
        console.print(_controls(plan))
    console.print(_summary(plan, speeds, estimated(plan, speeds, evaluation_flops)), highlight=False)
    for line in limits(plan):
        console.print(line, highlight=False)


def tuning_in_words(
    trials: Plan, speeds: Mapping[str, Speed], evaluation_flops: Mapping[tuple[str, str], float]
) -> str:
    """What the trials of a study are, and how long they take before its own runs can begin."""
    models = len(tuned_models(trials))
    each = len(trials.trials) // models
    flops = sum(model["training_flops"] * len(model["seeds"]) for model in trials.models)
    takes = duration(estimated(trials, speeds, evaluation_flops).wall)
    runs = f"{each} settings{_times_seeds(trials)}{len(trials.runs) // models} runs for each of {models} models"
    return f"Before, tuning tries {runs}, {flops:.3g} training FLOPs: about {takes}"


def _table(names: Iterable[str], numbers: Iterable[str] = (), last: Iterable[str] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    for name in last:
        table.add_column(name, overflow="fold")
    return table


def _models(plan: Plan) -> Table:
    numbers = ("parameters", "with embedding", "FLOPs/token", "inference FLOPs/token", "training FLOPs", "tokens")
    table = _table(("task", "model"), (*numbers, "depth"))
    for model in plan.models:
        table.add_row(
            model["task"],
            model["label"],
            f"{model['parameters']:,}",
            f"{model['total_parameters']:,}",
            f"{model['flops_per_token']:.3g}",
            f"{model['inference_flops_per_token']:.3g}",
            f"{model['training_flops']:.3g}",
            f"{model['tokens']:,}",
            str(model["effective_depth"]),
        )
    return table


def _controls(plan: Plan) -> Table:
    models = {(model["task"], model["label"]): model for model in plan.models}
    table = _table(("task", "cell", "control", "model"), ("off target",), ("not equal to the cell",))
    for role in plan.roles:
        task, label, cell = role["task"], role["label"], role["control_of"]
        different = ", ".join(unequal(models[task, label], models[task, cell])) or "nothing"
        table.add_row(task, cell, role["control"], label, f"{role['deviation']:+.2%}", different)
    return table


def unequal(control: Mapping[str, Any], cell: Mapping[str, Any]) -> Iterator[str]:
    """What a control has more or less of than its cell, each with how many times as much: `depth 0.25×`.

    FLOPs of inference are named where their ratio is another than that of training, even if they are equal.
    """
    ratios = {name: control[key] / cell[key] for name, key in COSTS.items()}
    for name, ratio in ratios.items():
        expected = ratios["FLOPs"] if name == "inference FLOPs" else 1
        if abs(ratio / expected - 1) > TOLERANCE:
            yield f"{name} {ratio:.2f}×"


def _summary(plan: Plan, speeds: Mapping[str, Speed], estimate: Estimate) -> str:
    flops = sum(model["training_flops"] * len(model["seeds"]) for model in plan.models)
    runs = f"{len(plan.models)} models{_times_seeds(plan)}{len(plan.runs)} runs in {len(jobs_of(plan))} jobs"
    on_gpu = f"{flops / GPU_SPEED / 3600:,.0f} GPU-hours at 40 % of an H100's dense bfloat16 peak, 989 TFLOP/s"
    on_cpu = all(speed.is_cpu for speed in speeds.values())
    if on_cpu and estimate.wall > HOPELESS:
        said = f"{on_gpu}; too much for the CPU of this machine"
    else:
        said = f"{_here(plan, speeds, estimate, on_cpu)}{f'; {on_gpu}' if flops > LARGE else ''}"
    return f"\n{runs}, {flops:.3g} training FLOPs: {said}"


def _here(plan: Plan, speeds: Mapping[str, Speed], estimate: Estimate, on_cpu: bool) -> str:
    """How long a study takes on this machine, and what takes how much of it."""
    where = f"on {estimate.workers} of the {usable_cores()} cores" if on_cpu else f"on one {_devices(speeds)}"
    each = {"train": estimate.training, "evaluate": estimate.evaluation, "start processes": estimate.starts}
    takes = ", ".join(f"{duration(seconds)} to {name}" for name, seconds in each.items())
    flops = " and ".join(f"{speed.flops:.2g}" for speed in speeds.values())
    left_out = "; benchmarks are not counted" if any(model["benchmarks"] for model in plan.models) else ""
    return (
        f"about {duration(estimate.wall)} {where} of this machine, if nothing else runs there\n"
        f"One after another, its jobs take {takes}; the longest takes {duration(estimate.longest)} "
        f"(a probe reached {flops} FLOP/s{left_out})"
    )


def _devices(speeds: Mapping[str, Speed]) -> str:
    return " or ".join(dict.fromkeys(speed.device for speed in speeds.values()))


def _times_seeds(plan: Plan) -> str:
    counts = sorted({len(model["seeds"]) for model in plan.models})
    return f" × {counts[0]} seeds = " if len(counts) == 1 else f" with {counts[0]} to {counts[-1]} seeds each: "
