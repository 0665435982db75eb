"""Trainings of the tiny run that are stopped, and what they leave."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asura.planning.runs import Run
from asura.training import loop
from asura.training.loop import Stopped, train
from asura.training.trainer import Trainer
from tests.conftest import tiny_run


def metrics_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def complaints(said: str) -> list[str]:
    """The lines on stderr, less those that say where a training begins."""
    return [line for line in said.splitlines() if ": from step " not in line]


def start(run: Run, path: Path) -> subprocess.Popen:
    """Train in a process of its own."""
    path.mkdir(exist_ok=True)
    (path / "run.json").write_text(run.model_dump_json())
    command = [sys.executable, "-m", "asura", "train", str(path / "run.json"), "--out", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def same_end(one: Path, other: Path) -> None:
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    assert metrics_of(one) == metrics_of(other)


def steps_of(record: dict) -> list[int]:
    return [session["step"] for session in record["sessions"]]


def interrupt_at(step: int, monkeypatch) -> None:
    original = Trainer.advance

    def advance(trainer: Trainer) -> None:
        if trainer.step == step:
            raise KeyboardInterrupt
        original(trainer)

    monkeypatch.setattr(Trainer, "advance", advance)


def stopped_after(steps: int, path: Path, monkeypatch: pytest.MonkeyPatch, run: Run | None = None) -> None:
    """Train a run, by default the tiny one, for some steps, from where it stands to where a signal stops it."""
    received: list[int] = []
    original = Trainer.advance

    def advance(trainer: Trainer) -> None:
        original(trainer)
        if trainer.step >= steps:
            received.append(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "signals", lambda: Always(received))
        patched.setattr(Trainer, "advance", advance)
        with pytest.raises(Stopped):
            train(run or tiny_run(), path)


class Always:
    def __init__(self, received: list[int]) -> None:
        self.received = received

    def __enter__(self) -> list[int]:
        return self.received

    def __exit__(self, *_: object) -> None: ...
