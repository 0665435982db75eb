"""A disk that is full: said in one line that names the file; what was there stays, and with room the run goes on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asura.common.files import checksum
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run
from asura.reporting.collect import write_results
from asura.reporting.tables import TABLES
from asura.training.loop import train
from asura.training.tensors import load_tensors
from tests.conftest import Tell, tiny_run
from tests.reporting.conftest import GRID, build_results
from tests.training.trainings import same_end, steps_of

pytestmark = pytest.mark.faults


class Disk:
    """A disk in memory that can be made larger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        if not self._mount("-t", "tmpfs", "-o", "size=64k", "none"):
            pytest.skip("only root may mount a disk")

    def enlarge(self) -> None:
        assert self._mount("-o", "remount,size=16m")

    def _mount(self, *options: str) -> bool:
        return subprocess.run(["mount", *options, self.folder], capture_output=True, check=False).returncode == 0

    def fill(self, leave: int = 0) -> Path:
        """Fill it but for some bytes, in pages of 4,096."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                file.truncate(file.tell() - leave)
        return filler


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    small = Disk(tmp_path / "disk")
    yield small
    subprocess.run(["umount", small.folder], check=True)


def asura(*arguments: object) -> str:
    """What a command that fails says, which must be one line."""
    command = [sys.executable, "-m", "asura", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    return said


def trained_by_command(run: Run, folder: RunFolder) -> tuple[object, ...]:
    folder.path.mkdir(exist_ok=True)
    folder.run.write_text(run.model_dump_json())
    return "train", folder.run, "--out", folder.path


def test_at_a_checkpoint(disk: Disk, tmp_path: Path, fault: Tell):
    fault("the disk full at a checkpoint", "one line names the file; with space, the run resumes: same bits")
    run = tiny_run({"steps": 400, "checkpoint_steps": 10, "log_steps": 400})
    train(run, tmp_path / "straight")
    folder = RunFolder(disk.folder / "run")
    said = asura(*trained_by_command(run, folder))
    assert said.startswith(f"asura: {folder.checkpoint}: ") and "No space left on device" in said
    last = load_tensors(folder.checkpoint)[1]["step"]
    disk.enlarge()
    assert steps_of(train(run, folder.path)) == [0, last] and last > 0
    same_end(folder.path, tmp_path / "straight")


def test_at_a_line_of_metrics(disk: Disk, tmp_path: Path, fault: Tell):
    fault("the disk full at a line of metrics", "one line names the file; with space, the run resumes: same bits")
    run = tiny_run({"steps": 400, "checkpoint_steps": None, "log_steps": 1})
    train(run, tmp_path / "straight")
    folder = RunFolder(disk.folder / "run")
    command = trained_by_command(run, folder)
    filler = disk.fill(leave=8192)
    said = asura(*command)
    assert said == f"asura: {folder.metrics}: No space left on device"
    filler.unlink()
    disk.enlarge()
    train(run, folder.path)
    same_end(folder.path, tmp_path / "straight")


def test_at_a_table(disk: Disk, tmp_path: Path, fault: Tell):
    fault("the disk full at a table", "one line names the file; no partial table is left")
    write_results(build_results(GRID[:2]), tmp_path / "tidy")
    (tmp_path / "tables").symlink_to(disk.folder)
    filler = disk.fill(leave=8192)
    said = asura("tables", tmp_path)
    there = {path.name for path in disk.folder.iterdir()} - {"filler"}
    assert said.startswith(f"asura: {tmp_path / 'tables'}") and said.endswith(": No space left on device")
    halves = {path: checksum(disk.folder / path) for path in there}
    filler.unlink()
    disk.enlarge()
    subprocess.run([sys.executable, "-m", "asura", "tables", str(tmp_path)], check=True)
    assert {name: checksum(disk.folder / name) for name in halves} == halves
    assert len(list(disk.folder.iterdir())) == len(TABLES) * 4
