"""Seeds that one command trains and evaluates: the same bits as alone, and each fails alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from asura.planning.run_folder import RunFolder
from asura.planning.study_settings import Evaluation
from asura.training.loop import train
from tests.conftest import tiny_run
from tests.training.trainings import same_end


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asura", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def seeds(tmp_path: Path) -> list[Path]:
    """Folders of three runs that differ in their seed."""
    folders = [tmp_path / f"seed{seed}" for seed in (0, 1, 2)]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        (folder / "run.json").write_text(tiny_run().model_copy(update={"seed": seed}).model_dump_json())
    return folders


def settings(folders: list[Path]) -> list[Path]:
    return [folder / "run.json" for folder in folders]


def test_seeds_of_one_process_have_the_bits_of_each_alone(seeds: list[Path], tmp_path: Path):
    assert call("train", *settings(seeds), "--log", "train.log").returncode == 0
    for seed, folder in enumerate(seeds):
        train(tiny_run().model_copy(update={"seed": seed}), tmp_path / "alone" / folder.name)
        same_end(folder, tmp_path / "alone" / folder.name)
        log = (folder / "train.log").read_text()
        assert f"seed {seed}: from step 0 of 12, on cpu" in log and log.endswith(f"{folder}: finished at step 12\n")


def test_a_seed_that_fails_is_named_and_the_others_are_trained_and_kept(seeds: list[Path]):
    (seeds[1] / "run.json").write_text("{")
    done = call("train", *settings(seeds), "--log", "train.log")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "asura: 1 of 3 runs failed: seed1" in done.stderr
    assert str(seeds[1] / "run.json") in (seeds[1] / "train.log").read_text()
    assert [RunFolder(folder).record.exists() for folder in seeds] == [True, False, True]
    kept = {path: path.stat().st_mtime_ns for folder in seeds[::2] for path in folder.iterdir()}
    (seeds[1] / "run.json").write_text(tiny_run().model_copy(update={"seed": 1}).model_dump_json())
    assert call("train", *settings(seeds), "--log", "train.log").returncode == 0
    assert RunFolder(seeds[1]).read_record()["status"] == "finished"
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert call("evaluate", *seeds, "--examples", 20).returncode == 0
    asked = Evaluation(examples=20).stated()
    assert all(RunFolder(folder).read_evaluation()["made_of"].items() >= asked.items() for folder in seeds)


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_what_only_one_run_can_have_is_refused_for_several(seeds: list[Path], tmp_path: Path, command: str):
    given = settings(seeds) if command == "train" else seeds
    for options in (("--out", tmp_path / "out"), ("--processes", 2)):
        refused = call(command, *given, *options)
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused.stderr
        assert "found 3 runs" in refused.stderr
