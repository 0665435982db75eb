"""What a GPU does with this project, in eight minutes: speed, a published task, many small runs, and tests.

python benchmarks/gpu.py                        # all parts, in turn
python benchmarks/gpu.py --parts steps runs     # some
python benchmarks/gpu.py --tiny                 # small sizes: a try on a CPU, whose numbers mean nothing

steps  a training step of each architecture, eager and compiled; the 350 M shape; memory against iterations
phop   16 hops (Saunshi et al., 2025, arXiv 2502.17416, table 1), for a hundredth of the published steps
runs   many small runs on one GPU: seeds in turn, processes at once, CUDA graphs, seeds stacked by torch.func
tests  the tests that need a GPU

A part begins no case after its time and prints its table as it ends. Each row is added to the JSON file at once; what
fails is a row.
It imports what training imports, and pytest for the tests.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from common import Case, RandomTokens, Row, name_of, peak_of, run_of, wait
from many_runs import runs_cases

from asura.models import ARCHITECTURES
from asura.planning.costs import cost
from asura.planning.runs import Run
from asura.planning.training_settings import Training
from asura.tasks.base import IGNORE, Task
from asura.tasks.phop import PHop
from asura.training.devices import autocast, describe, precision, prepare
from asura.training.trainer import Trainer

ROOT = Path(__file__).parent.parent
SECONDS = {"tests": 90, "runs": 100, "phop": 90, "steps": 200}
"""Time of each part; its last case may end later."""
PUBLISHED_STEPS = 200_000
PUBLISHED = {"bare 1×1": 48.9, "bare 1×6": 99.9, "vanilla 6×1": 99.9}
"""Per cent, of 16 hops."""


# ---- steps


def speed_of(run: Run, device: torch.device, how: str, steps: int) -> Row:
    """Milliseconds of a step, tokens per second, share of the card's peak, and memory; after 3 + `steps` others."""
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    update = {"compile": how == "blocks", "cuda_graph": how == "replayed"}
    trainer = Trainer(run.model_copy(update={"training": run.training.model_copy(update=update)}), device)
    if how == "whole loss":
        trainer._loss = torch.compile(trainer.model.loss)
    begun = time.perf_counter()
    for k in range(3 + steps):  # also of the ways through a model that are drawn
        trainer.advance()
        if k == 2:
            wait(device)
            first = time.perf_counter() - begun
    wait(device)
    begun = time.perf_counter()
    for _ in range(steps):
        trainer.advance()
    wait(device)
    seconds = (time.perf_counter() - begun) / steps
    batch, length = run.training.batch, run.task.sequence_length
    peak = peak_of(device)
    flops = batch * cost(run.model, run.task.vocabulary, length).flops / seconds
    return {
        "ms": round(1000 * seconds, 2),
        "tokens/s": round(batch * length / seconds),
        "MFU": f"{flops / peak:.1%}" if peak else "",
        "MiB": torch.cuda.max_memory_allocated() >> 20 if device.type == "cuda" else "",
        "first 3 steps, s": round(first, 1),
    }


def steps_cases(device: torch.device, tiny: bool) -> Iterator[Case]:
    """Each architecture, the 350 M shape, and memory against iterations; compiled last, of which some may not fit."""
    shape = {"width": 16, "heads": 2} if tiny else {"width": 128, "heads": 8}
    task, batch = (RandomTokens(tokens=8, length=8), 4) if tiny else (RandomTokens(tokens=32, length=256), 64)
    models = [
        {"architecture": name, "n": 1, "i": 4, **shape} if kind.iterates() else {"architecture": name, "n": 4, **shape}
        for name, (kind, _) in ARCHITECTURES.items()
    ]

    def case(name: str, model: dict[str, Any], task: Task, how: str, steps: int, **training: Any) -> Case:
        return f"{name}, {how}", lambda: speed_of(run_of(model, task, **training), device, how, steps)

    wide = {"width": 16, "heads": 2} if tiny else {"width": 1024, "heads": 8}
    words, large = (64, (8,)) if tiny else (50_304, (512, 1024))

    def at_size(kind: str, n: int, i: int, length: int, how: str, again: bool = False) -> Case:
        model = {"architecture": kind, "n": 2 if tiny else n, "i": i, **wide}
        at_once = 2 if tiny else 32 * 512 // length
        name = f"{name_of(model)}, width {wide['width']}, {at_once} × {length} tokens"
        name += ", activation checkpointing" if again else ""
        task = RandomTokens(tokens=words, length=length)
        return case(name, model, task, how, 3, batch=at_once, z_loss=1e-4, activation_checkpointing=again)

    for model in models:
        for how in ("eager", "replayed"):
            yield case(name_of(model), model, task, how, 10, batch=batch)
    for length in large:
        yield at_size("asura", 18, 3, length, "eager")
        yield at_size("vanilla", 54, 1, length, "eager")
    for i in (1, 2) if tiny else (1, 4, 16):
        for again in (False, True):
            yield at_size("asura", 4, i, large[0], "eager", again)
    for how in ("blocks", "whole loss"):
        yield case(name_of(models[0]), models[0], task, how, 10, batch=batch)
    yield at_size("asura", 18, 3, large[0], "blocks")
    yield at_size("vanilla", 54, 1, large[0], "blocks")
    for model in models[1:]:
        yield case(name_of(model), model, task, "blocks", 10, batch=batch)
    yield at_size("asura", 18, 3, large[0], "whole loss")


# ---- phop


def phop_cases(device: torch.device, tiny: bool) -> Iterator[Case]:
    """The three models of the published table, as long as a third of the time of the part."""
    shape = {"width": 16 if tiny else 128, "heads": 2 if tiny else 8, "mlp_width": 32 if tiny else 512}
    task = PHop(hops=2, length=16, supervision="planted") if tiny else PHop(hops=16, length=256, supervision="planted")
    steps = 10 if tiny else PUBLISHED_STEPS // 100
    training: dict[str, Any] = {"optimiser": "adafactor", "learning_rate": 1e-3, "weight_decay": 0.0}
    training |= {"warmup_steps": steps // 20, "cuda_graph": True}
    for kind, n, i in (("bare", 1, 6), ("vanilla", 6, 1), ("bare", 1, 1)):
        model = {"architecture": kind, "n": n, "i": i, **shape}
        run = run_of(model, task, steps=steps, batch=8 if tiny else 256, **training)
        yield name_of(model), lambda run=run: trained(run, device, SECONDS["phop"] / 3)  # type: ignore[misc]


def trained(run: Run, device: torch.device, seconds: float) -> Row:
    """Accuracy on the test split after the steps, or as many as fit the time."""
    trainer, begun = Trainer(run, device), time.perf_counter()
    while not trainer.done and time.perf_counter() < begun + seconds:
        trainer.advance()
        if trainer.step % 100 == 0:
            wait(device)
    wait(device)
    taken = time.perf_counter() - begun
    tokens, targets = (part.to(device) for part in run.task.splits["test"].draw(512, torch.Generator().manual_seed(0)))
    with torch.no_grad(), autocast(run.training, device):
        right = torch.cat([trainer.model(part).argmax(-1) for part in tokens.split(64)]) == targets
    asked = targets != IGNORE
    return {
        "steps": trainer.step,
        "of the published steps": f"{trainer.step / PUBLISHED_STEPS:.2%}",
        "accuracy, %": round(100 * (right & asked).sum().item() / asked.sum().item(), 1),
        "published, %": PUBLISHED.get(run.label, ""),
        "s": round(taken, 1),
    }


# ---- tests


def tests_cases(device: torch.device, tiny: bool) -> Iterator[Case]:
    """pytest without the suite's own fixtures, whose packages need not be there."""

    def run() -> Row:
        command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(ROOT), "--noconftest"]
        test = ROOT / "tests" / "training" / "test_gpu.py"
        done = subprocess.run(
            [*command, test], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS["tests"], check=False
        )
        last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
        return {"status": done.returncode, "result": last}

    yield "tests/training/test_gpu.py", run


PARTS: dict[str, Callable[[torch.device, bool], Iterator[Case]]] = {
    "tests": tests_cases,
    "runs": runs_cases,
    "phop": phop_cases,
    "steps": steps_cases,
}


def rows_of(cases: Iterator[Case], seconds: float) -> Iterator[Row]:
    """What each case found, or how it failed, until the time is over."""
    ends = time.monotonic() + seconds
    for name, act in cases:
        if time.monotonic() > ends:
            yield {"case": name, "failed": "no time was left"}
            continue
        try:
            yield {"case": name, **act()}
        except Exception as error:  # what fails here is a finding
            yield {"case": name, "failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


def table(rows: list[Row]) -> str:
    """In Markdown, a column for each key."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns), *([str(row.get(key, "")) for key in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--skip", nargs="+", choices=PARTS, default=[])
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the script on a CPU")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    asked = parser.parse_args()
    device = prepare(1, compiles=True)
    about = {"device": describe(device), "torch": torch.__version__, "tiny": asked.tiny}
    about["precision"] = precision(Training(steps=1), device)
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    found: dict[str, Any] = {**about, "parts": {}}
    for part in asked.parts:
        if part not in asked.skip:
            rows = found["parts"][part] = []
            for row in rows_of(PARTS[part](device, asked.tiny), SECONDS[part]):
                rows.append(row)
                asked.out.write_text(json.dumps(found, indent=1) + "\n")
            print(f"\n## {part}\n\n{table(rows)}", flush=True)


if __name__ == "__main__":
    main()
