import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from asura.common.errors import UserError
from asura.training.tensors import load_tensors, save_tensors

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "step": torch.tensor(7, dtype=torch.int64),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "view": torch.arange(12.0).view(3, 4).T,
}
NOTE = {"step": 7, "record": {"started": "now"}}


def test_what_is_saved_is_what_is_loaded(tmp_path):
    save_tensors(tmp_path / "x", TENSORS, NOTE)
    tensors, note = load_tensors(tmp_path / "x")
    assert note == NOTE
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_seen_wherever_it_is(tmp_path_factory, place: int, bit: int):
    path = tmp_path_factory.mktemp("flipped") / "x"
    save_tensors(path, TENSORS, NOTE)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        tensors, note = load_tensors(path)
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:  # the flip was in a name or in the spaces that pad the header
        assert note == NOTE and all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@given(st.integers(0))
def test_a_truncated_file_is_refused(tmp_path_factory, length: int):
    path = tmp_path_factory.mktemp("cut") / "x"
    save_tensors(path, TENSORS, NOTE)
    content = path.read_bytes()
    path.write_bytes(content[: length % len(content)])
    with pytest.raises(UserError, match="cut short"):
        load_tensors(path)


def test_a_file_without_a_checksum_is_refused(tmp_path):
    save_file(TENSORS | {"view": torch.zeros(1)}, tmp_path / "x")
    with pytest.raises(UserError, match="checksum"):
        load_tensors(tmp_path / "x")


def test_a_pickle_is_refused_and_runs_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "x").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match="no safetensors file"):
        load_tensors(tmp_path / "x")
    assert not (tmp_path / "sprung").exists()


def test_what_stood_there_survives_a_failing_write(tmp_path, monkeypatch):
    save_tensors(tmp_path / "x", TENSORS, NOTE)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asura.training.tensors.save", full)
    with pytest.raises(OSError, match="No space left"):
        save_tensors(tmp_path / "x", {}, {})
    assert load_tensors(tmp_path / "x")[1] == NOTE
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
