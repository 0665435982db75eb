"""A dry run writes nothing, a copy of a study is as good as the study, and what other studies share is left to them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import STUDY, call, write

AFTER = dict.fromkeys(["plan", "collect", "tables", "figures", "report", "all"], 1)
LONGER = STUDY | {"training": STUDY["training"] | {"steps": 20}}


def jobs(folder: Path, *arguments: str) -> dict[str, int]:
    """The number of jobs of each rule in a dry run."""
    said = call(folder, "--dry-run", *arguments)
    assert said.returncode == 0, said.stderr
    text = said.stdout + said.stderr
    if "Nothing to be done" in text:
        return {}
    table = re.findall(r"Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", text)[-1]
    return {name: int(count) for name, count in map(str.split, table.splitlines())}


def contents(folder: Path) -> dict[str, bytes]:
    """What is in every file of the results."""
    files = (path for path in (folder / "results").rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_dry_run_with_other_settings_leaves_the_study_as_it_is(folder: Path):
    before = contents(folder)
    write(folder, LONGER)
    assert jobs(folder)["train"] == 3
    assert contents(folder) == before
    write(folder, STUDY)
    assert jobs(folder) == {}
    assert subprocess.run(
        [sys.executable, "-m", "asura", "collect", "results/tiny"], cwd=folder, check=True, capture_output=True
    )


def test_a_dry_run_lists_exactly_what_a_new_seed_needs(folder: Path):
    write(folder, STUDY | {"seeds": [0, 1]})
    assert jobs(folder) == {"train": 3, "evaluate": 3} | AFTER | {"total": 12}


@pytest.mark.parametrize("kept", ["project", "results"])
def test_a_copy_is_as_good_as_the_original(folder: Path, tmp_path: Path, kept: str):
    copy = tmp_path / "another"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    if kept == "results":
        shutil.rmtree(copy / ".snakemake")
    for path in sorted(copy.glob("results/**/*"), reverse=True):  # what is made comes before what it is made from
        os.utime(path)
    assert jobs(copy) == {}
    write(copy, STUDY | {"seeds": [0, 1]})
    assert jobs(copy)["train"] == 3
    write(copy, LONGER)
    assert jobs(copy) == {"train": 3, "evaluate": 3} | AFTER | {"total": 12}


def test_a_study_that_is_edited_while_it_runs_changes_nothing_of_what_runs(folder: Path):
    shutil.rmtree(folder / "results")
    write(folder, STUDY | {"seeds": [0, 1]})
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "study.yaml", "--until", "evaluate"]
    slow = os.environ | {"PYTHONPATH": str(folder), "BASH_ENV": ""}  # so that it has not ended before the other begins
    running = subprocess.Popen(command, cwd=folder, env=slow)
    while not (folder / "results" / "tiny" / "plan.json").is_file():
        assert running.poll() is None
        time.sleep(0.05)
    write(folder, LONGER)
    second = call(folder)
    assert second.returncode != 0 and "lock" in second.stderr.lower()
    assert running.wait() == 0
    for record in (folder / "results").rglob("asura*/*/training.json"):
        assert json.loads(record.read_text())["step"] == 12
    assert json.loads((folder / "results" / "tiny" / "study.json").read_text())["training"]["steps"] == 12
