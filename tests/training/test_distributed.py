"""Several processes give what one gives: losses, weights, checkpoints and evaluations."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from asura.runs import Run, RunFolder
from asura.training.processes import Several
from asura.training.tensors import load_tensors
from tests.conftest import tiny_run

FULL = {"asura_full": {"n": 1, "i": 3}}
DRAWN = {"asura": {"n": 1, "i": 3, "drawn": True, "progressive": 0.5}}


def run_of(models: dict, **training: object) -> Run:
    return tiny_run({"steps": 20, "batch": 8, "log_steps": 1, "checkpoint_steps": None, **training}, models=models)


def start(command: str, folder: RunFolder, processes: int, *options: str) -> subprocess.Popen:
    """A command of several processes, on the CPU."""
    arguments = [sys.executable, "-m", "asura", command, *options, "--processes", str(processes)]
    environment = os.environ | {"ASURA_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, env=environment, stdout=pipe, stderr=pipe, text=True, cwd=folder.path)


def training(run: Run, path: Path, processes: int) -> subprocess.Popen:
    path.mkdir(exist_ok=True)
    folder = RunFolder(path)
    folder.run.write_text(run.model_dump_json())
    return start("train", folder, processes, str(folder.run), "--out", str(path))


def trained(run: Run, path: Path, processes: int) -> RunFolder:
    out, error = (process := training(run, path, processes)).communicate(timeout=120)
    assert process.returncode == 0, out + error
    return RunFolder(path)


def alike(found: RunFolder, expected: RunFolder, tolerance: float) -> None:
    rows, others = found.read_metrics(), expected.read_metrics()
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert row.pop("diverged_at") is other.pop("diverged_at") is None
        assert row == pytest.approx(other, rel=tolerance, abs=tolerance)
    weights, _ = load_tensors(found.weights)
    for name, tensor in load_tensors(expected.weights)[0].items():
        assert torch.allclose(weights[name], tensor, atol=10 * tolerance), name


@pytest.mark.parametrize(
    ("models", "settings", "counts", "tolerance"),
    [
        (FULL, {}, (2, 4), 1e-4),
        (FULL, {"parallel": "fsdp"}, (2,), 1e-4),
        (FULL, {"optimiser": "muon", "accumulate": 2}, (2,), 1e-2),
        (DRAWN, {"accumulate": 2}, (2,), 1e-4),
        ({"recurrent_depth": {"n": 1, "i": 3, "backpropagate": 2}}, {}, (2,), 1e-4),
    ],
    ids=str,
)
def test_any_number_of_processes_trains_alike(models, settings, counts, tolerance, tmp_path):
    run = run_of(models, **settings)
    alone = trained(run, tmp_path / "1", 1)
    for count in counts:
        several = trained(run, tmp_path / str(count), count)
        alike(several, alone, tolerance)
        assert several.read_record()["sessions"][0]["processes"] == count


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_run_that_two_processes_saved_when_told_to_leave_one_takes_up(parallel, tmp_path):
    run = run_of(FULL, parallel=parallel, steps=150, checkpoint_steps=10)
    process = training(run, tmp_path / "run", 2)
    folder = RunFolder(tmp_path / "run")
    while not folder.checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert error.count("stopped by SIGTERM; saved after step") == 1
    alike(trained(run, folder.path, 1), trained(run, tmp_path / "straight", 1), 1e-2)
    first, second = folder.read_record()["sessions"]
    assert first["processes"] == 2 and second["processes"] == 1
    assert 10 <= second["step"] < 150


def test_two_processes_evaluate_to_the_numbers_of_one(tmp_path):
    folder = trained(run_of(FULL), tmp_path / "run", 1)
    rows = []
    for count in (1, 2):
        folder.evaluation.unlink(missing_ok=True)
        process = start("evaluate", folder, count, str(folder.path), "--examples", "2000")
        assert process.wait(timeout=120) == 0, process.communicate()
        rows.append(json.loads(folder.evaluation.read_text())["rows"])
    assert rows[0] == rows[1]


def test_the_shares_of_a_batch_are_the_batch():
    batch = torch.arange(24).view(24, 1)
    for count in (1, 2, 4):
        shares = [Several(index, count).rows(batch, 3) for index in range(count)]
        parts = zip(*(share.chunk(3) for share in shares), strict=True)
        together = [torch.cat(part).flatten().tolist() for part in parts]
        assert together == [part.flatten().tolist() for part in batch.chunk(3)]


def test_a_batch_that_processes_do_not_divide_is_refused_in_one_line(tmp_path):
    process = training(run_of(FULL, batch=9), tmp_path / "run", 2)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.strip().splitlines()[-1].startswith("asura: training.batch: found 9 for 2 processes")
    assert "Traceback" not in error
