import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import torch

from asura.common.errors import UserError
from asura.common.files import write_text
from asura.planning.run_folder import RunFolder, digest
from asura.planning.runs import Run
from asura.training import loop
from asura.training.loop import Stopped, train
from asura.training.tensors import load_tensors
from asura.training.trainer import Trainer
from tests.conftest import ROOT, tiny_run
from tests.training.trainings import Always, metrics_of, same_end, start, steps_of, stopped_after


def test_a_run_leaves_weights_metrics_and_a_record(tmp_path):
    run = tiny_run()
    record = train(run, tmp_path)
    assert record["status"] == "finished" and record["step"] == 12 and record["run"] == digest(run)
    assert json.loads((tmp_path / "training.json").read_text()) == record
    assert [row["step"] for row in metrics_of(tmp_path)] == [5, 10, 12]
    assert [row["tokens"] for row in metrics_of(tmp_path)] == [160, 320, 384]
    trainer = Trainer(run, torch.device("cpu"))
    while not trainer.done:
        trainer.advance()
    weights, _ = load_tensors(tmp_path / "weights.safetensors")
    assert all(torch.equal(weights[name], tensor) for name, tensor in trainer.model.state_dict().items())
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_a_run_that_has_ended_is_left_alone(tmp_path):
    record = train(tiny_run(), tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert train(tiny_run(), tmp_path) == record
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_a_folder_of_another_run_is_refused_and_left_as_it_was(tmp_path):
    train(tiny_run(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match="the folder of a run with other settings"):
        train(tiny_run({"learning_rate": 0.1}), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, "stopped by SIGTERM; saved after step 7"),
        (signal.SIGINT, r"stopped; start again to go on \(saved after step 7\)"),
    ],
)
def test_a_signal_saves_and_leaves_and_the_run_goes_on_to_the_same_bits(number, said, tmp_path, monkeypatch):
    train(tiny_run(), tmp_path / "straight")
    steps = []

    def advance(trainer: Trainer) -> None:
        steps.append(trainer.step)
        if len(steps) == 7:
            os.kill(os.getpid(), number)
        original(trainer)

    original = Trainer.advance
    before = signal.getsignal(number)
    monkeypatch.setattr(Trainer, "advance", advance)
    with pytest.raises(Stopped, match=said):
        train(tiny_run(), tmp_path / "resumed")
    record = train(tiny_run(), tmp_path / "resumed")
    assert [session["step"] for session in record["sessions"]] == [0, 7] and steps == list(range(12))
    same_end(tmp_path / "resumed", tmp_path / "straight")
    assert signal.getsignal(number) == before


def test_each_session_records_what_it_used(tmp_path, monkeypatch):
    def advance(trainer: Trainer) -> None:
        begun = time.process_time()
        while time.process_time() < begun + 0.05:
            pass
        original(trainer)

    original = Trainer.advance
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "advance", advance)
        stopped_after(5, tmp_path, patched)
        record = train(tiny_run(), tmp_path)
    first, second = record["sessions"]
    assert 0.25 <= first["cpu_seconds"] < 5 and 0.35 <= second["cpu_seconds"] < 5  # 5 of the 12 steps, and 7
    assert all(50 < session["job_rss_mb"] < 20_000 and session["job_device_mb"] is None for session in (first, second))
    assert train(tiny_run(), tmp_path) == record


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    run = tiny_run({"steps": 400, "checkpoint_steps": 1, "log_steps": 7})
    assert start(run, tmp_path / "straight").wait() == 0
    chance = random.Random(0)
    kills = 0
    while kills < 4:
        process = start(run, tmp_path / "killed")
        while process.poll() is None and not (tmp_path / "killed" / "checkpoint.safetensors").exists():
            time.sleep(0.01)
        time.sleep(chance.random() / 2)
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
    assert kills, "the run ended before it could be killed"
    assert start(run, tmp_path / "killed").wait() == 0
    same_end(tmp_path / "killed", tmp_path / "straight")


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, "stopped by SIGTERM"), (signal.SIGINT, "stopped; start again to go on")]
)
def test_a_signal_from_outside_exits_as_a_shell_expects(number, said, tmp_path):
    process = start(tiny_run({"steps": 100_000}), tmp_path)
    while not (tmp_path / "checkpoint.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said in stderr and "Traceback" not in stderr


def test_a_record_says_what_made_the_run_in_each_session(tmp_path, monkeypatch):
    git = shutil.which("git") or "git"
    stopped_after(5, tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))  # without git
    sessions = train(tiny_run(), tmp_path)["sessions"]
    for session in sessions:
        assert session["versions"].keys() >= {"asura", "python", "torch", "numpy", "safetensors"}
        assert (session["threads"], session["processes"]) == (1, 1) and session["device"]
        assert datetime.now(UTC) - datetime.fromisoformat(session["time"]) < timedelta(minutes=5)
    assert [session["step"] for session in sessions] == [0, 5]
    checkout = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert sessions[0]["commit"] == (checkout.stdout.strip() or None)
    status = [git, "status", "--porcelain", "--", "asura"]
    changes = subprocess.run(status, capture_output=True, text=True, check=False, cwd=ROOT)
    assert sessions[0]["clean"] is (None if changes.returncode else not changes.stdout)
    assert sessions[1]["commit"] is sessions[1]["clean"] is None


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(tmp_path, monkeypatch):
    received: list[int] = [signal.SIGTERM]
    monkeypatch.setattr(loop, "signals", lambda: Always(received))
    with pytest.raises(Stopped):
        train(tiny_run(), tmp_path)
    received.clear()
    write_text(tmp_path / "run.json", tiny_run({"learning_rate": 0.1}).model_dump_json())  # as the workflow does
    assert len(train(tiny_run({"learning_rate": 0.1}), tmp_path)["sessions"]) == 1
    monkeypatch.undo()
    train(tiny_run({"learning_rate": 0.1}), tmp_path / "fresh")
    same_end(tmp_path, tmp_path / "fresh")


def test_of_two_trainings_of_a_run_neither_takes_metrics_from_the_other(tmp_path, monkeypatch):
    train(tiny_run(), tmp_path / "straight")
    folder = RunFolder(tmp_path / "run")
    stopped_after(8, folder.path, monkeypatch)
    ahead = folder.checkpoint.read_bytes()
    folder.checkpoint.unlink()
    stopped_after(3, folder.path, monkeypatch)  # a second one, which has come less far
    folder.checkpoint.write_bytes(ahead)  # and the checkpoint of the first, which was saved last
    train(tiny_run(), folder.path)
    same_end(folder.path, tmp_path / "straight")


def test_of_two_trainings_of_a_run_the_result_of_the_first_to_end_stands(tmp_path, monkeypatch):
    other: dict = {}
    original = Trainer.advance

    def advance(trainer: Trainer) -> None:
        original(trainer)
        if trainer.step == 7 and not other:
            monkeypatch.setattr(Trainer, "advance", original)
            other.update(train(tiny_run(), tmp_path / "run"))
            files.update({path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "run").iterdir()})

    files: dict = {}
    monkeypatch.setattr(Trainer, "advance", advance)
    assert train(tiny_run(), tmp_path / "run") == other
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "run").iterdir()} == files
    train(tiny_run(), tmp_path / "straight")
    same_end(tmp_path / "run", tmp_path / "straight")


def test_a_result_of_earlier_settings_is_made_again(tmp_path, capsys):
    changed = tiny_run({"learning_rate": 0.1})
    train(tiny_run(), tmp_path / "run")
    write_text(tmp_path / "run" / "run.json", changed.model_dump_json())
    assert train(changed, tmp_path / "run")["run"] == digest(changed)
    assert "training.json: damaged, or of other settings, texts or first weights" in capsys.readouterr().err
    train(changed, tmp_path / "straight")
    same_end(tmp_path / "run", tmp_path / "straight")


def during(step: int, run: Run, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something once, while a run takes a step."""
    original = Trainer.advance

    def advance(trainer: Trainer) -> None:
        if trainer.step == step and trainer.run == run:
            monkeypatch.setattr(Trainer, "advance", original)
            act()
        original(trainer)

    monkeypatch.setattr(Trainer, "advance", advance)


def test_what_was_trained_of_earlier_settings_takes_no_place(tmp_path, monkeypatch):
    changed = tiny_run({"learning_rate": 0.1})

    def change_and_train() -> None:
        write_text(tmp_path / "run" / "run.json", changed.model_dump_json())
        train(changed, tmp_path / "run")

    during(7, tiny_run(), change_and_train, monkeypatch)
    with pytest.raises(UserError, match=r"run\.json: it was changed during training"):
        train(tiny_run(), tmp_path / "run")
    train(changed, tmp_path / "straight")
    same_end(tmp_path / "run", tmp_path / "straight")


def test_what_runs_out_of_memory_beside_one_that_finishes_is_no_result(tmp_path, monkeypatch):
    def run_out_of_memory() -> None:
        def advance(_: Trainer) -> None:
            raise torch.OutOfMemoryError

        with monkeypatch.context() as patched:
            patched.setattr(Trainer, "advance", advance)
            assert train(tiny_run(), tmp_path / "run")["status"] == "out of memory"

    during(7, tiny_run(), run_out_of_memory, monkeypatch)
    assert train(tiny_run(), tmp_path / "run")["status"] == "finished"
    train(tiny_run(), tmp_path / "straight")
    same_end(tmp_path / "run", tmp_path / "straight")


def test_settings_that_change_no_bit_may_change_in_mid_training(tmp_path, monkeypatch):
    stopped_after(7, tmp_path / "run", monkeypatch)
    cheaper = tiny_run({"activation_checkpointing": True, "checkpoint_steps": 3})
    assert steps_of(train(cheaper, tmp_path / "run")) == [0, 7]
    train(tiny_run(), tmp_path / "straight")
    same_end(tmp_path / "run", tmp_path / "straight")
