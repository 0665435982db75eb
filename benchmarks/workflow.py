"""What the workflow costs: planning, a dry-run and a run with nothing to do of a thousand runs, and the default study.

python benchmarks/workflow.py
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
GRID = {
    "name": "thousand",
    "seeds": list(range(6)),
    "tasks": {"phop": {}},
    "models": {"asura": {"n": [1, 2, 3, 4, 5, 6], "i": [2, 3, 4, 5, 6, 8]}},
    "controls": ["iso_param", "iso_flop", "iso_both", "iso_recursion"],
    "training": {"steps": 600, "warmup_steps": 50},
}


def seconds(folder: Path, *arguments: str, expect: str = "") -> float:
    """Wall-clock seconds of a command, the best of two."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        result = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - start)
        assert expect in result.stdout + result.stderr
    return min(times)


def finish(folder: Path) -> int:
    """Write every file that the study would, each after those it is made from; returns the number of runs."""
    study = folder / "results" / "thousand"
    runs = list(json.loads((study / "plan.json").read_text())["runs"])
    stages = [
        [f"{run}/{name}" for run in runs for name in ("training.json", "weights.safetensors")],
        [f"{run}/evaluation.json" for run in runs],
    ]
    listed = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--summary", "--configfile", "grid.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    outputs = [line.split("\t")[0].removeprefix("results/thousand/") for line in listed.stdout.splitlines()[1:]]
    stages += [
        [name for name in outputs if name.startswith(start)] for start in ("tidy", "tables", "figures", "report")
    ]
    for stage in stages:
        for name in stage:
            path = study / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        time.sleep(0.01)
    return len(runs)


def default_study() -> None:
    """Say what share of the cores' time in results/default was not training, if it is there."""
    study = ROOT / "results" / "default"
    if not (study / "report.html").exists():
        print("\nThe default study has not been run here: no share of it to tell.")
        return
    records = [json.loads(path.read_text()) for path in study.rglob("training.json")]
    started = min(datetime.fromisoformat(record["sessions"][0]["time"]) for record in records).timestamp()
    wall = (study / "report.html").stat().st_mtime - started
    training = sum(record["seconds"] for record in records)
    cores = os.cpu_count() or 1
    print(f"| the default study, {len(records)} runs, wall-clock | {wall:.0f} s |")
    print(f"| of its time on {cores} cores, what is not training | {1 - training / (wall * cores):.1%} |")


def main() -> None:
    """Print a table."""
    print("| what | |\n|---|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Snakefile", "rules", "profiles", "environment.yml"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        (folder / "grid.yaml").write_text(yaml.safe_dump(GRID))
        planning = seconds(folder, "asura", "plan", "grid.yaml", "--json")
        snakemake = ("snakemake", "--cores", "2", "--configfile", "grid.yaml")
        seconds(folder, *snakemake, "--dry-run")  # makes the plan
        dry_run = seconds(folder, *snakemake, "--dry-run")
        runs = finish(folder)
        nothing = seconds(folder, *snakemake, expect="Nothing to be done")
    print(f"| planning {runs:,} runs | {planning:.1f} s |")
    print(f"| a dry-run of {runs:,} runs | {dry_run:.1f} s |")
    print(f"| a run of {runs:,} runs with nothing to do | {nothing:.1f} s |")
    default_study()


if __name__ == "__main__":
    main()
