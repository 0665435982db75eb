"""Weights that training keeps on its way: they are those of the way, and do not change it."""

import pytest

from asura.common.errors import UserError
from asura.common.files import checksum
from asura.planning.run_folder import RunFolder, digest
from asura.planning.runs import Run
from asura.training.loop import train
from asura.training.tensors import load_tensors
from tests.conftest import tiny_run
from tests.training.trainings import interrupt_at, same_end


def keeping(every: int | None, **training: object) -> Run:
    return tiny_run(dict(training)).model_copy(update={"snapshot_steps": every})


def snapshots_of(path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in (path / "snapshots").iterdir()}


def test_training_has_the_same_bits_with_snapshots_and_without(tmp_path):
    train(keeping(None), tmp_path / "without")
    record = train(keeping(5), tmp_path / "with")
    one, other = (RunFolder(tmp_path / name) for name in ("without", "with"))
    assert one.metrics.read_bytes() == other.metrics.read_bytes()
    weights, again = (load_tensors(folder.weights)[0] for folder in (one, other))
    assert all((weights[name] == again[name]).all() for name in weights)
    assert record["snapshots"] == {str(step): checksum(other.snapshot(step)) for step in (5, 10)}
    assert not one.snapshots.exists() and "snapshots" not in one.read_record()


def test_a_snapshot_has_the_weights_of_a_training_that_ends_there(tmp_path):
    train(keeping(4, schedule="constant"), tmp_path / "long")
    train(keeping(None, schedule="constant", steps=8), tmp_path / "short")
    kept, ended = (
        load_tensors(path)[0]
        for path in (RunFolder(tmp_path / "long").snapshot(8), RunFolder(tmp_path / "short").weights)
    )
    assert kept.keys() == ended.keys() and all((kept[name] == ended[name]).all() for name in kept)


@pytest.mark.parametrize("step", [3, 6, 11])
def test_an_interrupted_training_keeps_the_same_snapshots(step: int, tmp_path, monkeypatch):
    """Checkpoints are of steps 4 and 8, snapshots of 5 and 10."""
    train(keeping(5), tmp_path / "whole")
    with monkeypatch.context() as patched:
        interrupt_at(step, patched)
        with pytest.raises(KeyboardInterrupt):
            train(keeping(5), tmp_path / "resumed")
    record = train(keeping(5), tmp_path / "resumed")
    same_end(tmp_path / "whole", tmp_path / "resumed")
    assert snapshots_of(tmp_path / "whole") == snapshots_of(tmp_path / "resumed")
    assert record["snapshots"] == RunFolder(tmp_path / "whole").read_record()["snapshots"]


def test_snapshots_are_part_of_what_a_run_is():
    assert digest(keeping(5)) != digest(keeping(4)) != digest(keeping(None)) == digest(tiny_run())


def test_a_damaged_snapshot_is_noticed_and_those_of_other_settings_are_removed(tmp_path, capsys):
    train(keeping(5), tmp_path)
    folder = RunFolder(tmp_path)
    before = folder.snapshot(5).read_bytes()
    folder.snapshot(5).write_bytes(b"x")
    with pytest.raises(UserError, match=r"snapshots/5\.safetensors: missing, or without the checksum"):
        folder.check(folder.read_record())
    train(keeping(5), tmp_path)
    assert "5.safetensors: missing or damaged; the run is trained again" in capsys.readouterr().err
    assert folder.snapshot(5).read_bytes() == before
    folder.run.unlink()
    train(keeping(6), tmp_path)
    assert snapshots_of(tmp_path).keys() == {"6"}
