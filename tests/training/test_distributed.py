"""Several processes give what one gives: losses, weights, checkpoints and evaluations."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
import torch.multiprocessing
from pydantic import ValidationError
from torch.profiler import ProfilerActivity, profile

from asura.common.errors import UserError
from asura.evaluation import likelihood
from asura.evaluation.evaluate import evaluate
from asura.models import build
from asura.planning.run_folder import RunFolder
from asura.planning.runs import Run
from asura.planning.study_settings import Evaluation
from asura.planning.training_settings import Training
from asura.training.loop import Stopped, train
from asura.training.processes import Several, joined
from asura.training.tensors import load_tensors
from asura.training.trainer import Trainer
from tests.conftest import tiny_run
from tests.training.trainings import complaints

FULL = {"asura_full": {"n": 1, "i": 3}}
DRAWN = {"asura": {"n": 1, "i": 3, "drawn": True, "progressive": 0.5}}
SUPERVISED = {"universal": {"n": 1, "i": 4, "halting": "act", "deep_supervision": 2}}
TWO_STATES = {"trm": {"n": 1, "i": 4, "deep_supervision": 4, "latent_updates": 2}}
HALTING = {"universal": {"n": 1, "i": 3, "halting": "act"}}
PUBLISHED = {"parallel": "fsdp", "optimiser": "nadamw", "clip_by": "adaptive", "clip": 0.1, "weight_decay_of": "all"}
AVERAGED = {"average": 0.9, "validation_examples": 16}
EXITS = {"ouro": {"n": 1, "i": 3}}
STABLE = {"parcae": {"n": 1, "i": 3, "backpropagate": 2}}
NOISE = {"recurrent_depth": {"n": 1, "i": 3, "backpropagate": 2}}
ROUTER = {"ndr": {"n": 1, "i": 3, "causal": False}}
IMPORTED_ONCE = [
    "asura.training.loop",
    "torch.distributed.checkpoint.state_dict",
    "torch.distributed.fsdp",
    "torch._dynamo",
    "tests.conftest",
]


def together(count: int, act: Callable[..., object], *arguments: Any) -> None:
    """Call `act` in several processes, as torchrun would start them, but from one that has imported torch already."""
    torch.multiprocessing.get_context("forkserver").set_forkserver_preload(IMPORTED_ONCE)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "ASURA_DEVICE": "cpu"}
    torch.multiprocessing.start_processes(
        _enter, (count, environment, act, arguments), nprocs=count, start_method="forkserver"
    )


def _enter(rank: int, count: int, environment: dict, act: Callable[..., object], arguments: tuple) -> None:
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ |= environment | {name: str(value) for name, value in ranks.items()}
    act(*arguments)


def is_last() -> bool:
    return int(os.environ["RANK"]) == int(os.environ["WORLD_SIZE"]) - 1


def run_of(models: dict, **changes: Any) -> Run:
    training = {"steps": 20, "batch": 8, "log_steps": 1, "checkpoint_steps": None, **changes}
    return tiny_run(training, models=models)


def trained(run: Run, path: Path, count: int) -> RunFolder:
    if count == 1:
        train(run, path)
    else:
        together(count, train, run, path)
    folder = RunFolder(path)
    assert folder.read_record()["sessions"][-1]["processes"] == count
    return folder


def weights_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_tensors(folder.weights)[0]


def alike(found: RunFolder, expected: RunFolder, tolerance: float = 1e-4) -> None:
    rows, others = found.read_metrics(), expected.read_metrics()
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert row.pop("diverged_at") is other.pop("diverged_at") is None
        assert row == pytest.approx(other, rel=tolerance, abs=tolerance)
    for name, tensor in weights_of(expected).items():
        assert torch.allclose(weights_of(found)[name], tensor, atol=10 * tolerance), name


@pytest.mark.parametrize(
    ("models", "training", "counts", "tolerance"),
    [
        (FULL, {}, (2, 4), 1e-4),
        (FULL, {"parallel": "fsdp"}, (2, 4), 1e-4),
        (FULL, {"optimiser": "muon", "accumulate": 2}, (2,), 1e-2),  # whose updates are rounded to bfloat16
        (FULL, {"optimiser": "muon", "parallel": "fsdp"}, (2,), 1e-2),
        (FULL, {"optimiser": "adafactor", "accumulate": 4}, (2,), 1e-4),
        (FULL, PUBLISHED | AVERAGED, (2,), 1e-4),
        (DRAWN, {"accumulate": 2}, (2,), 1e-4),
        (DRAWN, {"parallel": "fsdp", "accumulate": 2, "activation_checkpointing": True}, (2,), 1e-4),
        (NOISE, {}, (2,), 1e-4),
        (ROUTER, {"parallel": "fsdp"}, (2,), 1e-4),
        (HALTING, {"z_loss": 1e-3}, (2,), 1e-4),
        (SUPERVISED, {"accumulate": 2}, (2,), 1e-4),
        (EXITS, {"z_loss": 1e-3, "accumulate": 2}, (2,), 1e-4),
        (STABLE, {"parallel": "fsdp"}, (2,), 1e-4),
        (TWO_STATES, {"parallel": "fsdp", "accumulate": 2}, (2,), 1e-4),
    ],
    ids=str,
)
def test_any_number_of_processes_trains_alike(models, training, counts, tolerance, tmp_path):
    run = run_of(models, **training)
    alone = trained(run, tmp_path / "1", 1)
    for count in counts:
        alike(trained(run, tmp_path / str(count), count), alone, tolerance)


def count_gathers_of_a_step(run: Run, path: Path) -> None:
    with joined() as processes:
        trainer = Trainer(run, torch.device("cpu"), processes)
        trainer.advance()
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            trainer.advance()
        if processes.first:
            path.write_text(str(sum(event.name == "c10d::_allgather_base_" for event in seen.events() or [])))


def test_shards_of_a_block_are_gathered_once_for_all_its_iterations(tmp_path):
    counts = []
    for i in (2, 5):
        run = run_of({"bare": {"n": 1, "i": i}}, parallel="fsdp")
        together(2, count_gathers_of_a_step, run, tmp_path / str(i))
        counts.append(int((tmp_path / str(i)).read_text()))
    assert 0 < counts[0] == counts[1]


def stop(run: Run, path: Path, step: int) -> None:
    """Train until a signal reaches the last process alone, while it takes a step."""

    def advance(trainer: Trainer) -> None:
        original(trainer)
        if trainer.step == step and is_last():
            os.kill(os.getpid(), signal.SIGTERM)

    original = Trainer.advance
    pytest.MonkeyPatch().setattr(Trainer, "advance", advance)
    with pytest.raises(Stopped, match=f"SIGTERM; saved after step {step},"):
        train(run, path)


@pytest.mark.parametrize(
    ("models", "training", "counts"),
    [
        (FULL, {}, (1, 4)),
        (FULL, {"parallel": "fsdp", "log_steps": 5}, (1, 2)),
        (FULL, PUBLISHED | AVERAGED, (2,)),
        (DRAWN, {"optimiser": "adafactor"} | AVERAGED, (1, 2)),
        (TWO_STATES, {}, (1,)),
    ],
    ids=str,
)
def test_what_two_processes_saved_any_number_takes_up(models, training, counts, tmp_path):
    run = run_of(models, **training)
    straight = trained(run, tmp_path / "straight", 2)
    together(2, stop, run, tmp_path / "saved", 2)
    for count in counts:
        resumed = trained(run, copytree(tmp_path / "saved", tmp_path / str(count)), count)
        assert [session["step"] for session in resumed.read_record()["sessions"]] == [0, 2]
        alike(resumed, straight)
        if count == 2:
            assert all(torch.equal(weights_of(resumed)[name], w) for name, w in weights_of(straight).items())


def run_out_of_memory(run: Run, path: Path, everywhere: bool) -> None:
    def advance(trainer: Trainer) -> None:
        if trainer.step == 2 and (everywhere or is_last()):
            raise torch.OutOfMemoryError("out of memory")
        original(trainer)

    original = Trainer.advance
    pytest.MonkeyPatch().setattr(Trainer, "advance", advance)
    assert train(run, path)["status"] == "out of memory"


@pytest.mark.parametrize("everywhere", [True, False])
def test_where_a_process_is_out_of_memory_the_run_ends_so_on_all(everywhere, tmp_path):
    together(2, run_out_of_memory, run_of(FULL), tmp_path, everywhere)
    folder = RunFolder(tmp_path)
    assert folder.read_record()["step"] == 3 and len(folder.read_metrics()) == 2


def fail_to_write() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with joined() as processes, pytest.raises(SystemExit if is_last() else OSError):
        processes.write(full)


def test_where_the_first_process_cannot_write_the_others_end_too():
    together(2, fail_to_write)


def test_two_processes_evaluate_a_task_to_the_numbers_of_one(tmp_path):
    run = run_of(HALTING)
    folder = trained(run, tmp_path, 1)
    folder.run.write_text(run.model_dump_json())
    asked = Evaluation(examples=2500)  # more than are computed at once
    alone = evaluate(tmp_path, asked)
    folder.evaluation.unlink()
    together(2, evaluate, tmp_path, asked)
    found = evaluate(tmp_path, asked)
    assert folder.evaluation.is_file() and all(found[name] == alone[name] for name in ("made_of", "rows", "floors"))


def evaluate_in_small_batches(path: Path, asked: Evaluation) -> None:
    likelihood.LOGITS_AT_ONCE = 1 << 15
    evaluate(path, asked)


def test_two_processes_evaluate_a_text_to_the_numbers_of_one(corpus, tmp_path):
    task = {"text": {"corpus": corpus, "length": 16}}
    run = tiny_run({"steps": 1}, models={"asura": {"n": 1, "i": 2}}, tasks=task)
    folder = trained(run, tmp_path / "run", 1)
    folder.run.write_text(run.model_dump_json())
    evaluate_in_small_batches(folder.path, Evaluation())
    alone = folder.read_evaluation()
    folder.evaluation.unlink()
    together(2, evaluate_in_small_batches, folder.path, Evaluation())
    found = folder.read_evaluation()
    assert all(found[name] == alone[name] for name in ("made_of", "rows", "floors"))


def test_the_shares_of_a_batch_are_the_batch():
    batch = torch.arange(24).view(24, 1)
    for count in (1, 2, 4):
        shares = [Several(index, count).rows(batch, 3) for index in range(count)]
        parts = zip(*(share.chunk(3) for share in shares), strict=True)
        whole = [torch.cat(part).flatten().tolist() for part in parts]
        assert whole == [part.flatten().tolist() for part in batch.chunk(3)]


def test_what_cannot_be_shared_is_refused():
    model = build({"architecture": "asura", "n": 1, "i": 2, "width": 8, "heads": 2}, 5)
    model.register_parameter("temperature", torch.nn.Parameter(torch.zeros(())))
    with pytest.raises(UserError, match=r"batch: found 9 for 2 processes and accumulate 3; .* a multiple of 6"):
        Several(0, 2).loss_of(model, Training(steps=1, batch=9, accumulate=3))
    with pytest.raises(UserError, match=r"parallel: fsdp cannot shard temperature.* use ddp"):
        Several(0, 2).loss_of(model, Training(steps=1, parallel="fsdp"))
    with pytest.raises(ValidationError, match="adafactor"):
        Training(steps=1, parallel="fsdp", optimiser="adafactor")


def test_a_command_of_several_processes_leaves_when_told_to_and_one_process_goes_on(tmp_path):
    run = run_of(FULL, steps=200, checkpoint_steps=10)
    (tmp_path / "run.json").write_text(run.model_dump_json())
    command = [sys.executable, "-m", "asura", "train", tmp_path / "run.json", "--out", tmp_path, "--processes", "2"]
    pipe, environment = subprocess.PIPE, os.environ | {"ASURA_DEVICE": "cpu"}
    process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
    while not RunFolder(tmp_path).checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    said = [line for line in complaints(error) if "stopped by SIGTERM; saved after step" in line]
    assert len(said) == 1, error
    resumed = trained(run, tmp_path, 1)
    first, second = resumed.read_record()["sessions"]
    assert first["cpu_seconds"] > 0 and second["cpu_seconds"] > 0
    assert (first["processes"], second["processes"]) == (2, 1) and 10 <= second["step"] < 200
    alike(resumed, trained(run, tmp_path / "straight", 1), 1e-2)


def test_a_command_of_several_processes_refuses_in_one_line(tmp_path):
    (tmp_path / "run.json").write_text(run_of(FULL, batch=9).model_dump_json())
    command = [sys.executable, "-m", "asura", "train", tmp_path / "run.json", "--out", tmp_path, "--processes", "2"]
    result = subprocess.run(command, env=os.environ | {"ASURA_DEVICE": "cpu"}, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("asura: training.batch: found 9 for 2") and result.stderr.count("\n") == 1
