"""A copy of the workflow in which a study of seconds has run, and what may be done to it."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from asura.planning.run_folder import RunFolder
from tests.conftest import ROOT, TINY
from tests.workflow import warm

STUDY = TINY | {
    "models": {"asura": {"n": 1, "i": 2}, "vanilla": {"n": 1, "training": {"learning_rate": 1e38}}},
    "controls": ["iso_param"],
    "width": 16,
}


def write(folder: Path, study: dict) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    options = ("--cores", "2", "--configfile", "study.yaml")
    return snakemake(folder, *arguments, *options, capture_output=True, text=True)


def snakemake(
    folder: Path, *arguments: str, checkout: Path | None = None, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder, with the package of a copy of the workflow and not the one that is installed."""
    command = [os.environ.get("WARM", sys.executable), "-m", "snakemake", *arguments]
    environment = os.environ | {"PYTHONPATH": str(checkout or folder)}
    return subprocess.run(command, cwd=folder, env=environment, check=False, **settings)


def copy_workflow(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("Snakefile", "rules", "profiles", "asura", "environment.yml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _warm() -> Iterator[None]:
    """No job imports the large libraries anew; see `warm`. macOS does not let a process that has them fork."""
    if sys.platform != "linux":
        yield
        return
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        server = warm.start(Path(folder))
        patch.setenv("BASH_ENV", f"{folder}/first")  # rules put the folder of their interpreter first in PATH
        patch.setenv("WARM", f"{folder}/python")
        yield
        server.kill()
        server.wait()


def that_has_run(name: str, study: dict, temporary: pytest.TempPathFactory) -> Path:
    """A copy of the workflow in which a study has run once, whichever process of pytest-xdist asks first."""
    own = temporary.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            made = copy_workflow(temporary.mktemp("workflow"))
            write(made, study)
            succeed(made)
            made.rename(folder)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workflow in which the study has run: do not change it."""
    return that_has_run("finished", STUDY, tmp_path_factory)


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of that, to be changed; files keep their times."""
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))


def changed_by(folder: Path, act: Callable[[], object]) -> set[str]:
    """The files of the results that `act` made or wrote again, by their path below the study."""
    results = folder / "results" / "tiny"
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    act()
    after = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    return {path.relative_to(results).as_posix() for path in after if before.get(path) != after[path]}


TO_THE_FRAMES = ("--until", "collect")
"""Arguments that leave out tables, figures and the report of a study, which are slow to make."""


def succeed(folder: Path, *arguments: str) -> None:
    result = call(folder, *arguments)
    assert result.returncode == 0, result.stderr


def trainings(folder: Path) -> dict[psutil.Process, list[RunFolder]]:
    """The processes that train in a copy of the workflow, less the shells around them, with the runs of each."""
    found = {}
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder) and command[1:4] == ["-m", "asura", "train"]:
            found[process] = [RunFolder(folder / Path(run).parent) for run in command if run.endswith("/run.json")]
    return found


def in_training(folder: Path) -> list[tuple[psutil.Process, RunFolder]]:
    """Runs that have saved a checkpoint and go on, each with its process."""
    return [(each, run) for each, runs in trainings(folder).items() for run in runs if run.checkpoint.exists()]


def runs_trained(changed: set[str]) -> set[str]:
    return {path.removesuffix("/training.json") for path in changed if path.endswith("training.json")}
