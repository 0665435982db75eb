"""What the workflow costs: planning, a dry run and a start with nothing to do of many runs, and the default study.

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

from asura.common.files import write_sealed
from asura.planning.jobs import jobs_of
from asura.planning.plan import load
from asura.planning.run_folder import RunFolder, digest

ROOT = Path(__file__).parent.parent
SEEDS = (6, 28)
GRID = {
    "name": "grid",
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


def finish(study: Path) -> int:
    """Write what trainings and evaluations of a study would leave, as far as a start reads it; returns how many."""
    plan = load(study / "plan.json")
    for name, run in plan.runs.items():
        code = plan.code[f"{run['task_name']}/{run['label']}"]
        made_of = {"weights": "", **plan.evaluation_of(run["task_name"]).stated()}
        folder = RunFolder(study / name)
        folder.weights.touch()
        write_sealed(folder.record, {"run": digest(run), "weights": "", "code": code["training"]})
        write_sealed(folder.evaluation, {"made_of": made_of, "code": code["evaluation"]})
    for made in ("trained", "evaluated"):
        for job in jobs_of(plan):
            (study / "jobs" / job.name).mkdir(parents=True, exist_ok=True)
            (study / "jobs" / job.name / made).touch()
        time.sleep(0.01)
    return len(plan.runs)


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


def measure(folder: Path, seeds: int) -> None:
    """Print the rows of a grid with so many seeds."""
    for part in ("Snakefile", "rules", "profiles", "environment.yml"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    (folder / "grid.yaml").write_text(yaml.safe_dump(GRID | {"seeds": list(range(seeds))}))
    planning = seconds(folder, "asura", "plan", "grid.yaml", "--json")
    snakemake = ("snakemake", "--configfile", "grid.yaml", "--cores", "2")
    seconds(folder, *snakemake, "plan")
    dry_run = seconds(folder, *snakemake, "--dry-run")
    runs = finish(folder / "results" / "grid")
    nothing = seconds(folder, *snakemake, "--until", "evaluate", expect="Nothing to be done")
    print(f"| planning {runs:,} runs | {planning:.1f} s |")
    print(f"| a dry run of {runs:,} runs | {dry_run:.1f} s |")
    print(f"| a start with nothing to do of {runs:,} runs | {nothing:.1f} s |")


def main() -> None:
    """Print a table."""
    print("| what | |\n|---|---:|")
    for seeds in SEEDS:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), seeds)
    default_study()


if __name__ == "__main__":
    main()
