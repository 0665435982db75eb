"""A run for which memory does not suffice is a result, as one that diverges is."""

import pytest
import torch

from asura.common.files import checksum
from asura.planning.run_folder import RunFolder
from asura.training.loop import train
from asura.training.tensors import load_tensors
from asura.training.trainer import Trainer
from tests.conftest import Tell, tiny_run
from tests.training.trainings import same_end, steps_of

FAULT = ("not enough memory for a run", "recorded and counted in the tables; the rest goes on")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
    ids=["accelerator", "torch on the CPU", "Python"],
)
def test_a_run_that_runs_out_of_memory_is_a_result(tmp_path, monkeypatch, error, fault: Tell):
    fault(*FAULT)
    original = Trainer.advance

    def advance(trainer: Trainer) -> None:
        if trainer.step == 6:
            raise error
        original(trainer)

    monkeypatch.setattr(Trainer, "advance", advance)
    record = train(tiny_run(), tmp_path)
    assert (record["status"], record["step"]) == ("out of memory", 7)
    assert train(tiny_run(), tmp_path) == record and load_tensors(RunFolder(tmp_path).weights)[0] == {}
    monkeypatch.undo()
    RunFolder(tmp_path).record.unlink()  # with more memory it goes on
    assert steps_of(train(tiny_run(), tmp_path)) == [0, 4]
    train(tiny_run(), tmp_path / "straight")
    same_end(tmp_path, tmp_path / "straight")


def test_a_model_that_memory_cannot_hold_is_a_result_and_so_is_what_starts_from_it(tmp_path, monkeypatch, fault: Tell):
    fault(*FAULT)

    def build(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr("asura.training.trainer.build", build)
        record = train(tiny_run(), tmp_path / "first")
    assert (record["status"], record["step"]) == ("out of memory", 0)
    assert RunFolder(tmp_path / "first").read_metrics() == []
    second = tiny_run().model_copy(update={"start_from": "first"})
    record = train(second, tmp_path / "second", start_from=tmp_path / "first")
    assert (record["status"], record["step"]) == ("out of memory", 0)
    assert record["start"] == checksum(RunFolder(tmp_path / "first").weights)


def test_another_error_of_torch_is_no_result(tmp_path, monkeypatch):
    def advance(_: Trainer) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Trainer, "advance", advance)
    with pytest.raises(RuntimeError, match="shapes"):
        train(tiny_run(), tmp_path)
    assert not RunFolder(tmp_path).record.exists()
