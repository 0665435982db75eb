"""Several processes give what one gives: losses, weights, checkpoints and evaluations."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from pydantic import ValidationError

from asura.errors import UserError
from asura.evaluation import likelihood
from asura.evaluation.evaluate import evaluate
from asura.models import build
from asura.runs import Run, RunFolder, Training
from asura.study import Evaluation
from asura.training.batches import Drawn
from asura.training.loop import Stopped, train
from asura.training.processes import ALONE, Several, joined
from asura.training.tensors import load_tensors
from asura.training.trainer import Trainer
from tests.conftest import tiny_run

FULL = {"asura_full": {"n": 1, "i": 3}}
DRAWN = {"asura": {"n": 1, "i": 3, "drawn": True, "progressive": 0.5}}


def together(count: int, act: Callable[..., object], *arguments: Any) -> None:
    """Call `act` in several processes, as torchrun would start them, but from one that has imported torch already."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(
        _enter, (count, port, act, arguments), nprocs=count, start_method="forkserver"
    )


def _enter(rank: int, count: int, port: int, act: Callable[..., object], arguments: tuple) -> None:
    here = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ |= {"MASTER_ADDR": "localhost", "ASURA_DEVICE": "cpu", **{k: str(v) for k, v in here.items()}}
    act(*arguments)


@pytest.fixture(autouse=True, scope="module")
def _imported_once() -> None:
    lazily = ["torch.distributed.checkpoint.state_dict", "torch.distributed.fsdp"]
    torch.multiprocessing.get_context("forkserver").set_forkserver_preload(["asura.training.loop", *lazily])


def run_of(models: dict, **training: object) -> Run:
    return tiny_run({"steps": 20, "batch": 8, "log_steps": 1, "checkpoint_steps": None, **training}, models=models)


def trained(count: int, run: Run, path: Path) -> tuple[list[dict], dict[str, torch.Tensor]]:
    """Metrics of every step, and the weights."""
    if count == 1:
        train(run, path)
    else:
        together(count, train, run, path)
    return RunFolder(path).read_metrics(), load_tensors(RunFolder(path).weights)[0]


def alike(found: tuple, expected: tuple, tolerance: float) -> None:
    assert len(found[0]) == len(expected[0])
    for row, other in zip(found[0], expected[0], strict=True):
        assert row.pop("diverged_at") is other.pop("diverged_at", None) is None
        assert row == pytest.approx(other, rel=tolerance, abs=tolerance)
    assert found[1].keys() == expected[1].keys()
    for name, tensor in expected[1].items():
        assert torch.allclose(found[1][name], tensor, atol=10 * tolerance), name


@pytest.mark.parametrize(
    ("models", "training", "counts", "tolerance"),
    [
        (FULL, {}, (2, 4), 1e-4),
        (FULL, {"parallel": "fsdp"}, (2, 4), 1e-4),
        (FULL, {"optimiser": "muon", "accumulate": 2}, (2,), 1e-2),
        (FULL, {"optimiser": "muon", "parallel": "fsdp"}, (2,), 1e-2),
        (FULL, {"optimiser": "adafactor", "accumulate": 2}, (2,), 1e-4),
        (DRAWN, {"accumulate": 2}, (2,), 1e-4),
        (DRAWN, {"accumulate": 2, "parallel": "fsdp"}, (2,), 1e-4),
        ({"recurrent_depth": {"n": 1, "i": 3, "backpropagate": 2}}, {}, (2,), 1e-4),
        ({"universal": {"n": 1, "i": 3, "halting": "act"}}, {"z_loss": 1e-3}, (2,), 1e-4),
    ],
    ids=str,
)
def test_any_number_of_processes_trains_alike(models, training, counts, tolerance, tmp_path):
    run = run_of(models, **training)
    alone = trained(1, run, tmp_path / "1")
    for count in counts:
        alike(trained(count, run, tmp_path / str(count)), alone, tolerance)
        assert RunFolder(tmp_path / str(count)).read_record()["processes"] == count


def stopped(run: Run, path: Path, step: int) -> None:
    """Train until a signal reaches the last process alone, while it takes a step."""

    def advance(trainer: Trainer) -> None:
        original(trainer)
        if trainer.step == step and os.environ["RANK"] == str(int(os.environ["WORLD_SIZE"]) - 1):
            os.kill(os.getpid(), signal.SIGTERM)

    original, Trainer.advance = Trainer.advance, advance
    with pytest.raises(Stopped, match=f"SIGTERM; saved after step {step},"):
        train(run, path)


@pytest.mark.parametrize(
    ("models", "training"),
    [
        (FULL, {}),
        (FULL, {"parallel": "fsdp", "log_steps": 5}),
        (FULL, {"optimiser": "adafactor"}),
        (DRAWN, {}),
    ],
    ids=str,
)
def test_what_two_processes_saved_any_number_takes_up(models, training, tmp_path):
    run = run_of(models, **training)
    straight = trained(2, run, tmp_path / "straight")
    together(2, stopped, run, tmp_path / "saved", 2)
    checkpoint = RunFolder(tmp_path / "saved").checkpoint.read_bytes()
    for count in (1, 2, 4):
        folder = RunFolder(tmp_path / str(count))
        folder.path.mkdir()
        folder.checkpoint.write_bytes(checkpoint)
        folder.metrics.write_bytes(RunFolder(tmp_path / "saved").metrics.read_bytes())
        resumed = trained(count, run, folder.path)
        assert folder.read_record()["resumed_at"] == [2]
        alike(resumed, straight, 1e-4)
        if count == 2:
            assert all(torch.equal(resumed[1][name], tensor) for name, tensor in straight[1].items())
