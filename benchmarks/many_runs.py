"""Many small runs on one GPU: one process each, several at once, seeds in turn, seeds stacked by torch.func.

`benchmarks/gpu.py` measures these ways; it starts this script for each process.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
from common import Case, Row, run_of, wait
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from asura.models import build
from asura.models.model import Model
from asura.planning.runs import Run
from asura.tasks.phop import PHop
from asura.training.batches import Drawn
from asura.training.devices import autocast, prepare
from asura.training.trainer import Trainer


def small_run(seed: int, tiny: bool) -> Run:
    """One of many."""
    model = {"architecture": "asura", "n": 1, "i": 4, "width": 16 if tiny else 64, "heads": 2 if tiny else 4}
    return run_of(model, PHop(length=16 if tiny else 32), seed, steps=5 if tiny else 500, batch=4 if tiny else 32)


def in_turn(seeds: list[int], device: torch.device, tiny: bool) -> None:
    """Train the seeds one after another."""
    for seed in seeds:
        trainer = Trainer(small_run(seed, tiny), device)
        while not trainer.done:
            trainer.advance()
        trainer.measure()


class MeanLoss(nn.Module):
    """A model's mean loss as a forward pass, which torch.func can call."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Of tokens and targets (B, T)."""
        loss: Tensor = self.model.loss(tokens, targets, recompute=False).loss
        return loss / (targets >= 0).sum().clamp(min=1)


def stacked(seeds: list[int], device: torch.device, tiny: bool) -> None:
    """Train the seeds in one program: all weights of a name are one tensor. AdamW, clipped for each seed."""
    runs = [small_run(seed, tiny) for seed in seeds]
    training = runs[0].training
    models = [MeanLoss(build(run.model, run.task.vocabulary, run.seed, device)) for run in runs]
    weights, _ = stack_module_state(models)
    weights = {name: weight.detach().requires_grad_() for name, weight in weights.items()}

    def loss(own: dict[str, Tensor], tokens: Tensor, targets: Tensor) -> Tensor:
        found: Tensor = functional_call(models[0], own, (tokens, targets))
        return found

    gradients = vmap(grad(loss))
    adamw = torch.optim.AdamW(weights.values(), lr=training.learning_rate, betas=training.betas, fused=True)
    drawn = [Drawn(run.task, training.batch, run.seed) for run in runs]
    for step in range(training.steps):
        batch = [torch.stack(part).to(device) for part in zip(*(each.at(step) for each in drawn), strict=True)]
        with autocast(training, device):
            found = gradients({name: weight.detach() for name, weight in weights.items()}, *batch)
        norm = torch.stack([part.flatten(1).square().sum(1) for part in found.values()]).sum(0).sqrt()
        scale = (1.0 / (norm + 1e-6)).clamp(max=1.0)
        for name, weight in weights.items():
            weight.grad = found[name] * scale.view(-1, *(1,) * (weight.ndim - 1))
        adamw.step()
    wait(device)


def runs_cases(device: torch.device, tiny: bool) -> Iterator[Case]:
    """Whole processes, their start included; every way trains seeds for as many steps."""

    def processes(ways: list[list[str]]) -> Row:
        command = [sys.executable, __file__, *(["--tiny"] if tiny else [])]
        begun = time.perf_counter()
        started = [subprocess.Popen([*command, *way]) for way in ways]
        if failed := [code for code in [process.wait() for process in started] if code]:
            raise RuntimeError(f"{len(failed)} processes ended with status {failed[0]}")
        seconds, runs = time.perf_counter() - begun, sum(len(way) - 1 for way in ways)
        return {"runs": runs, "s": round(seconds, 1), "runs per hour": round(3600 * runs / seconds)}

    four = [str(seed) for seed in range(2 if tiny else 4)]
    yield "one process", lambda: processes([["--in-turn", "0"]])
    yield f"{len(four)} processes at once", lambda: processes([["--in-turn", seed] for seed in four])
    yield f"one process, {len(four)} seeds in turn", lambda: processes([["--in-turn", *four]])
    yield f"one process, {len(four)} seeds stacked", lambda: processes([["--stacked", *four]])


def main() -> None:
    """Train the seeds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--in-turn", nargs="+", type=int, default=[])
    parser.add_argument("--stacked", nargs="+", type=int, default=[])
    asked = parser.parse_args()
    device = prepare(1)
    if asked.in_turn:
        in_turn(asked.in_turn, device, asked.tiny)
    if asked.stacked:
        stacked(asked.stacked, device, asked.tiny)


if __name__ == "__main__":
    main()
