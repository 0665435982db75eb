"""A run folder of which something is damaged or missing: that is said in a line, and the run goes on."""

import os
import pickle
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from asura.common.files import checksum
from asura.planning.run_folder import RunFolder
from asura.training.loop import train
from asura.training.tensors import load_tensors
from tests.conftest import Tell, tiny_run
from tests.training.trainings import complaints, interrupt_at, steps_of, stopped_after


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def emptied(_: bytes) -> bytes:
    return b""


def pickled(_: bytes) -> bytes:
    return pickle.dumps(Bomb())


class Bomb:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("harm", [cut_short, flipped, emptied, pickled])
@pytest.mark.parametrize("both", [False, True], ids=["the newest", "both"])
def test_from_a_damaged_checkpoint_training_goes_back_to_the_one_before_or_begins_anew(
    tmp_path, monkeypatch, capsys, harm, both, fault: Tell
):
    what = "the run resumes from the checkpoint before it, or starts again; nothing is unpickled"
    fault("a checkpoint is cut short, altered, emptied or replaced by a pickle", f"one line; {what}")
    monkeypatch.chdir(tmp_path)
    straight = train(tiny_run(), tmp_path / "straight")
    folder = RunFolder(tmp_path / "run")
    interrupt_at(11, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_run(), folder.path)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for path in [folder.checkpoint, folder.earlier_checkpoint][: 1 + both]:
        path.write_bytes(harm(path.read_bytes()))
    record = train(tiny_run(), folder.path)
    assert steps_of(record) == ([0] if both else [0, 4])  # there were checkpoints at 4 and at 8
    assert record["weights"] == straight["weights"] and record["metrics"] == straight["metrics"]
    (said,) = complaints(capsys.readouterr().err)
    assert said.endswith("damaged; training begins anew" if both else "damaged; training goes on from step 4")
    assert not (tmp_path / "exploded").exists()


def test_a_damaged_checkpoint_does_not_take_the_place_of_the_whole_one_before_it(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    stopped_after(11, tmp_path, monkeypatch)
    assert load_tensors(folder.earlier_checkpoint)[1]["step"] == 8
    folder.checkpoint.write_bytes(b"")
    stopped_after(9, tmp_path, monkeypatch)
    steps = [load_tensors(path)[1]["step"] for path in (folder.checkpoint, folder.earlier_checkpoint)]
    assert steps == [9, 8] and steps_of(train(tiny_run(), tmp_path)) == [0, 8, 9]


def test_weights_dressed_as_a_checkpoint_are_passed_over(tmp_path, capsys):
    folder = RunFolder(tmp_path)
    record = train(tiny_run(), tmp_path)
    folder.record.unlink()
    folder.weights.replace(folder.checkpoint)
    assert train(tiny_run(), tmp_path)["weights"] == record["weights"]
    assert capsys.readouterr().err.count("damaged; training begins anew\n") == 1


def test_a_record_that_is_damaged_is_said_and_made_again(tmp_path, capsys, fault: Tell):
    fault("the record of a finished run is altered", "one line; the run is trained again")
    folder = RunFolder(tmp_path)
    record = train(tiny_run(), tmp_path)
    folder.record.write_bytes(flipped(folder.record.read_bytes()))
    assert train(tiny_run(), tmp_path)["weights"] == record["weights"]
    (said,) = complaints(capsys.readouterr().err)
    assert "training.json: damaged, or of other settings, texts or first weights; the run is trained again" in said


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(flipped(path.read_bytes()))])
def test_a_result_without_its_weights_is_said_and_made_again(tmp_path, capsys, harm, fault: Tell):
    fault("the weights of a finished run are missing or altered", "one line; the run is trained again")
    folder = RunFolder(tmp_path)
    record = train(tiny_run(), tmp_path)
    harm(folder.weights)
    assert train(tiny_run(), tmp_path)["weights"] == record["weights"] == checksum(folder.weights)
    (said,) = complaints(capsys.readouterr().err)
    assert "weights.safetensors: missing or damaged; the run is trained again" in said


def test_what_was_being_written_by_a_process_that_is_gone_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".checkpoint.safetensors.{host}.{pid}" for host in (platform.node(), "other") for pid in (dead.pid, 1)]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    train(tiny_run(), tmp_path)
    assert {path.name for path in tmp_path.glob(".*")} == set(names[1:])
