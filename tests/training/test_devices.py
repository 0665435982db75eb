"""Which device a run takes, and whose fault it is where memory runs out; of devices that are pretended."""

import os

import pytest
import torch

from asura.common.errors import UserError
from asura.training import devices
from asura.training.devices import prepare, refuse_neighbours

GIB = 1 << 30


@pytest.fixture
def taken(tmp_path, monkeypatch) -> list[int]:
    """A machine with two devices, and the indices that were taken."""
    indices: list[int] = []
    devices._take_one.cache_clear()
    monkeypatch.delenv("ASURA_DEVICE", raising=False)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "set_device_index", indices.append)
    return indices


def test_runs_of_one_machine_take_a_device_each_until_there_is_none(taken):
    assert prepare(1) == torch.device("cuda")
    prepare(1)
    assert taken == [0, 0]  # a process keeps what it took
    for _ in range(2):
        devices._take_one.cache_clear()  # locks are of an opened file: this stands for another process
        prepare(1)
    assert taken[2:] == [1, os.getpid() % 2]


def test_a_device_that_was_asked_for_is_not_chosen_anew(taken, monkeypatch):
    monkeypatch.setenv("ASURA_DEVICE", "cpu")
    assert prepare(1) == torch.device("cpu") and not taken


def test_what_is_computed_is_repeatable_with_and_without_compilation():
    for compiles in (True, False):
        torch.use_deterministic_algorithms(False)
        prepare(1, compiles)
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.parametrize(("of_others", "refused"), [(1, False), (40, True)])
def test_memory_that_others_hold_is_no_result_of_a_run(of_others, refused, monkeypatch):
    own = 30
    monkeypatch.setattr(torch.accelerator, "get_memory_info", lambda: ((80 - own - of_others) * GIB, 80 * GIB))
    monkeypatch.setattr(torch.accelerator, "memory_reserved", lambda: own * GIB)
    refuse_neighbours(torch.device("cpu"))
    if refused:
        with pytest.raises(UserError, match=r"others, who hold 40960 MiB of the device's 81920; .*--resources gpu=1"):
            refuse_neighbours(torch.device("cuda"))
    else:
        refuse_neighbours(torch.device("cuda"))
