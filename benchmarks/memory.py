"""Memory and speed of training steps: against iterations, activation checkpointing and the size of the vocabulary.

python benchmarks/memory.py
python benchmarks/memory.py --model 350m --length 512 --batch 32    # the size of configs/papers/gupta.yaml, for a GPU

Every row is measured in a process of its own. On CUDA, memory is the most that torch had allocated; on a CPU, the
peak of the process's resident memory above that after the model was built, so without imports and weights, in a second
process whose allocator gives back what is freed. Speed counts the FLOPs of the model, forwards and backwards once: as
the share of the card's peak (MFU) where that is known.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from common import RandomTokens, peak_of, run_of

from asura.models import model as model_module
from asura.planning.costs import cost
from asura.training.devices import describe, prepare
from asura.training.trainer import Trainer

ALL = 2**62
"""More logits than any batch has."""

LARGE = 50_304
STEPS = {"cuda": 10, "cpu": 3}


class Case(NamedTuple):
    """What is measured."""

    model: dict[str, Any]
    vocabulary: int
    length: int
    batch: int
    training: dict[str, Any]
    logits_at_once: int = model_module.LOGITS_AT_ONCE

    @property
    def name(self) -> str:
        """As a row begins."""
        model, logits = self.model, "all" if self.logits_at_once == ALL else f"{self.logits_at_once:,}"
        size = f"n={model['n']}" + (f" i={model['i']}" if "i" in model else "")
        again = "yes" if self.training.get("activation_checkpointing") else ""
        return f"| {model['architecture']} {size} | {again} | {self.vocabulary:,} | {logits} "


def measure(case: Case) -> dict[str, float] | None:
    """MiB and seconds of a step of training, and its FLOPs; None where memory does not suffice."""
    model_module.LOGITS_AT_ONCE = case.logits_at_once
    device = prepare(threads=1)
    task = RandomTokens(tokens=case.vocabulary, length=case.length)
    run = run_of(case.model, task, batch=case.batch, **case.training)
    trainer = Trainer(run, device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def steps(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            trainer.advance()
        trainer.measure()  # waits for the device
        trainer.forget()
        return (time.perf_counter() - start) / count

    try:
        steps(2)
        seconds = min(steps(STEPS[device.type]) for _ in range(2))
    except torch.OutOfMemoryError:
        return None
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    flops = case.batch * cost(run.model, case.vocabulary, case.length).flops
    return {"memory": peak, "seconds": seconds, "flops": flops}


def measured_apart(case: Case, **environment: str) -> dict[str, float] | None:
    """The same, in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | environment)
    found: dict[str, float] | None = json.loads(done.stdout)
    return found


def cases(length: int, batch: int) -> Iterator[Case]:
    """Depth by iterations and by blocks; then a large vocabulary, its logits at once and in chunks."""
    shape = {"width": 256, "heads": 8}
    for depth in (1, 2, 4, 8, 16):
        asura = {"architecture": "asura", "n": 1, "i": depth, **shape}
        for again in (False, True):
            yield Case(asura, 32, length, batch, {"activation_checkpointing": again})
        yield Case({"architecture": "vanilla", "n": depth, **shape}, 32, length, batch, {})
    for logits in (ALL, 2**26, 2**25, 2**24):
        yield Case({"architecture": "asura", "n": 1, "i": 4, **shape}, LARGE, length, batch, {}, logits)


def cases_350m(length: int, batch: int, compiled: bool) -> Iterator[Case]:
    """The model of configs/papers/gupta.yaml, with activation checkpointing, with all logits; and a vanilla stack."""
    shape = {"width": 1024, "heads": 8}
    training = {"precision": "bfloat16", "compile": compiled}
    asura = {"architecture": "asura", "n": 18, "i": 3, **shape}
    yield Case(asura, LARGE, length, batch, training)
    yield Case(asura, LARGE, length, batch, {**training, "activation_checkpointing": True})
    yield Case(asura, LARGE, length, batch, training, ALL)
    yield Case({"architecture": "vanilla", "n": 54, **shape}, LARGE, length, batch, training)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["small", "350m"], default="small")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--eager", action="store_true", help="do not compile the 350 M models")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(measure(Case(*json.loads(asked.case)))))
        return
    device = prepare(threads=1)
    card = peak_of(device)
    print(f"One thread of {describe(device)}, torch {torch.__version__}, {asked.batch} × {asked.length} tokens.\n")
    speed_in = "MFU" if card else "GFLOP/s"
    print(f"| model | activation checkpointing | vocabulary | logits at once | MiB | tokens/s | {speed_in} |")
    print("|---|---|---:|---:|---:|---:|---:|")
    large = asked.model == "350m"
    for case in cases_350m(asked.length, asked.batch, not asked.eager) if large else cases(asked.length, asked.batch):
        found = measured_apart(case)
        if found is None:
            print(f"{case.name}| out of memory | | |", flush=True)
            continue
        if device.type == "cpu" and (again := measured_apart(case, MALLOC_MMAP_THRESHOLD_=str(2**20))):
            found["memory"] = again["memory"]
        speed = found["flops"] / found["seconds"]
        share = f"{speed / card:.1%}" if card else f"{speed / 1e9:,.1f}"
        tokens = case.batch * case.length / found["seconds"]
        print(f"{case.name}| {found['memory']:,.0f} | {tokens:,.0f} | {share} |", flush=True)


if __name__ == "__main__":
    main()
