"""Many small runs on one GPU: seeds in turn, several processes at once, steps replayed as a CUDA graph, seeds stacked.

`benchmarks/gpu.py` measures these ways; it starts this script for each process, which prints what it found as JSON.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

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


def small_run(seed: int, tiny: bool, **training: Any) -> Run:
    """One of many."""
    model = {"architecture": "asura", "n": 1, "i": 4, "width": 16 if tiny else 64, "heads": 2 if tiny else 4}
    return run_of(
        model, PHop(length=16 if tiny else 32), seed, steps=5 if tiny else 300, batch=4 if tiny else 32, **training
    )


def in_turn(seeds: list[int], device: torch.device, tiny: bool, replayed: bool) -> str:
    """Train the seeds one after another; the bits of the first."""
    bits = []
    for seed in seeds:
        trainer = Trainer(small_run(seed, tiny, cuda_graph=replayed), device)
        while not trainer.done:
            trainer.advance()
        trainer.measure()
        bits.append(bits_of(trainer.weights().values()))
    return bits[0]


def bits_of(weights: Iterable[Tensor]) -> str:
    """A digest of weights."""
    return hashlib.sha256(b"".join(weight.detach().cpu().numpy().tobytes() for weight in weights)).hexdigest()[:12]


class MeanLoss(nn.Module):
    """A model's mean loss as a forward pass, which torch.func can call."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Of tokens and targets (B, T)."""
        loss: Tensor = self.model.loss(tokens, targets, recompute=False).loss
        return loss / (targets >= 0).sum().clamp(min=1)


def stacked(seeds: list[int], device: torch.device, tiny: bool) -> str:
    """Train the seeds in one program: all weights of a name are one tensor. AdamW, clipped for each seed.

    The bits of the first.
    """
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
    return bits_of(weight[0] for weight in weights.values())


def runs_cases(device: torch.device, tiny: bool) -> Iterator[Case]:
    """Whole processes; every way trains seeds for as many steps. `training, s` leaves the start of processes out."""
    bits: list[str] = []  # of the first seed, trained first

    def processes(ways: list[list[str]]) -> Row:
        command = [sys.executable, __file__, *(["--tiny"] if tiny else [])]
        begun = time.perf_counter()
        started = [subprocess.Popen([*command, *way], stdout=subprocess.PIPE, text=True) for way in ways]
        said = [process.communicate()[0] for process in started]
        if failed := [process.returncode for process in started if process.returncode]:
            raise RuntimeError(f"{len(failed)} processes ended with status {failed[0]}")
        seconds, found = time.perf_counter() - begun, [json.loads(line) for line in said]
        runs, training = sum(len(way) - 1 for way in ways), max(one["s"] for one in found)
        bits.append(found[0]["bits"])
        return {
            "runs": runs,
            "s": round(seconds, 1),
            "training, s": round(training, 1),
            "steps per second": round(runs * small_run(0, tiny).training.steps / training),
            "same bits": "yes" if bits[-1] == bits[0] else "no",
        }

    two, many = (["0", "1"], [str(seed) for seed in range(2 if tiny else 16)])
    yield "2 seeds in turn", lambda: processes([["--in-turn", *two]])
    yield "2 seeds in turn, replayed", lambda: processes([["--replayed", *two]])
    yield f"{len(many)} processes at once", lambda: processes([["--in-turn", seed] for seed in many])
    yield f"{len(many)} processes at once, replayed", lambda: processes([["--replayed", seed] for seed in many])
    yield f"{len(many)} seeds stacked", lambda: processes([["--stacked", *many]])
    yield "4 processes at once, replayed", lambda: processes([["--replayed", seed] for seed in many[:4]])
    yield "4 processes at once", lambda: processes([["--in-turn", seed] for seed in many[:4]])


def main() -> None:
    """Train the seeds that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    way = parser.add_mutually_exclusive_group(required=True)
    for name in ("--in-turn", "--replayed", "--stacked"):
        way.add_argument(name, nargs="+", type=int, default=[])
    asked = parser.parse_args()
    device = prepare(1)
    begun = time.perf_counter()
    if asked.stacked:
        bits = stacked(asked.stacked, device, asked.tiny)
    else:
        bits = in_turn(asked.in_turn or asked.replayed, device, asked.tiny, bool(asked.replayed))
    print(json.dumps({"s": time.perf_counter() - begun, "bits": bits}))


if __name__ == "__main__":
    main()
