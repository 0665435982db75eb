"""What other launchers, sites and containers leave in the environment: one process, or one line."""

import os
import subprocess
import sys

import pytest

from asura.common.errors import UserError
from asura.common.world import World, world
from asura.training import processes
from asura.training.processes import ALONE, joined
from tests.conftest import tiny_run

NAMES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
FULL = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
ONE = [
    {},
    {name: "" for name in NAMES},
    {"WORLD_SIZE": "1"},
    {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"},
    {"WORLD_SIZE": " "},
    {"RANK": "0", "LOCAL_RANK": "0"},
    {"MASTER_ADDR": "node1", "MASTER_PORT": "1234"},
]
REFUSED = [
    ({"WORLD_SIZE": "2"}, "WORLD_SIZE: found 2 without RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"),
    ({**FULL, "RANK": ""}, "WORLD_SIZE: found 2 without RANK; "),
    ({**FULL, "MASTER_ADDR": ""}, "WORLD_SIZE: found 2 without MASTER_ADDR; "),
    ({**FULL, "RANK": "2"}, "RANK: found 2, but WORLD_SIZE is 2"),
    ({**FULL, "RANK": "-1"}, "RANK: found '-1'; it must be a number from 0"),
    ({**FULL, "LOCAL_RANK": "x"}, "LOCAL_RANK: found 'x'"),
    ({"WORLD_SIZE": "0"}, "WORLD_SIZE: found '0'; it must be a number from 1"),
    ({"WORLD_SIZE": "two"}, "WORLD_SIZE: found 'two'"),
    ({"WORLD_SIZE": "1.0"}, "WORLD_SIZE: found '1.0'"),
    ({"RANK": "1"}, "RANK: found 1, but WORLD_SIZE is 1"),
    ({"WORLD_SIZE": "", "LOCAL_RANK": "3"}, "LOCAL_RANK: found 3, but WORLD_SIZE is 1"),
]


def leave(monkeypatch: pytest.MonkeyPatch, left: dict[str, str]) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in left.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("left", ONE, ids=str)
def test_what_describes_one_process_is_one(left: dict, monkeypatch):
    leave(monkeypatch, left)
    assert world() == World(1, 0, 1, 0)
    with joined() as alone:
        assert alone is ALONE


@pytest.mark.parametrize(("left", "said"), REFUSED, ids=str)
def test_what_contradicts_itself_is_refused_in_a_line(left: dict, said: str, monkeypatch):
    leave(monkeypatch, left)
    with pytest.raises(UserError) as refused, joined():
        pass
    assert str(refused.value).startswith(said) and "unset WORLD_SIZE" in str(refused.value)


@pytest.mark.parametrize("changes", [{}, {"RANK": "1", "MASTER_PORT": "1"}, {"MASTER_PORT": "x"}], ids=str)
def test_the_others_are_not_waited_for_without_end(changes: dict, monkeypatch):
    leave(monkeypatch, FULL | changes)
    monkeypatch.setattr(processes, "SECONDS_TO_MEET", 1)
    with pytest.raises(UserError, match="WORLD_SIZE: found 2, but they did not meet") as refused, joined():
        pass
    assert "\n" not in str(refused.value)


def train(tmp_path, left: dict, *options: str) -> subprocess.CompletedProcess[str]:
    run = tiny_run({"steps": 2})
    (tmp_path / "run.json").write_text(run.model_dump_json())
    command = [sys.executable, "-m", "asura", "train", str(tmp_path / "run.json"), "--out", str(tmp_path), *options]
    clean = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment = clean | {"ASURA_DEVICE": "cpu"} | left
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_the_command_says_what_is_wrong_whatever_the_rank(tmp_path):
    for left in ({"LOCAL_RANK": "3"}, {"WORLD_SIZE": "two", "LOCAL_RANK": "1"}):
        done = train(tmp_path, left)
        assert done.returncode == 1 and done.stderr.startswith("asura: ") and done.stderr.count("\n") == 1


def test_several_processes_start_where_the_environment_describes_one(tmp_path):
    done = train(tmp_path, {"WORLD_SIZE": "1", "RANK": ""}, "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert '"processes": 2' in (tmp_path / "training.json").read_text()
