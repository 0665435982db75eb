"""Several runs by one command: each has its own log, and fails alone."""

import os
from pathlib import Path

import pytest

from asura.cli.several import one_by_one
from asura.common.errors import UserError
from asura.training.signals import Stopped


def folders(path: Path) -> list[Path]:
    found = [path / f"seed{seed}" for seed in range(3)]
    for folder in found:
        folder.mkdir()
    return found


def test_what_is_printed_goes_to_the_log_of_its_run_and_the_outcome_to_both(tmp_path: Path, capsys):
    def work(folder: Path) -> str:
        if folder.name != "seed1":
            print(f"at {folder.name}")
        return "done"

    (tmp_path / "seed1").mkdir()
    (tmp_path / "seed1" / "own.log").write_text("before")
    (tmp_path / "seed0").mkdir()
    (tmp_path / "seed0" / "own.log").write_text("before")
    one_by_one([tmp_path / "seed0", tmp_path / "seed1"], "own.log", work)
    assert (tmp_path / "seed0" / "own.log").read_text() == f"at seed0\n{tmp_path / 'seed0'}: done\n"
    assert (tmp_path / "seed1" / "own.log").read_text() == "before"  # it had nothing to do
    assert capsys.readouterr().out == f"{tmp_path / 'seed0'}: done\n{tmp_path / 'seed1'}: done\n"


@pytest.mark.parametrize("error", [UserError("no such thing"), OSError(28, "No space left", "x"), ZeroDivisionError()])
def test_where_one_fails_the_others_are_done_and_it_is_named(tmp_path: Path, capsys, error: Exception):
    done = []

    def work(folder: Path) -> str:
        if folder.name == "seed1":
            raise error
        done.append(folder.name)
        return "done"

    with pytest.raises(UserError, match=r"^1 of 3 runs failed: seed1$"):
        one_by_one(folders(tmp_path), "own.log", work)
    assert done == ["seed0", "seed2"]
    said, log = capsys.readouterr().err, (tmp_path / "seed1" / "own.log").read_text()
    assert said.startswith(f"asura: {tmp_path / 'seed1'}: ") and said.count("\n") == 1
    assert ("Traceback" in log) == isinstance(error, ZeroDivisionError)
    assert os.listdir(tmp_path / "seed0") == []


def test_a_single_run_raises_what_was_wrong(tmp_path: Path):
    def work(folder: Path) -> str:
        raise UserError("no such thing")

    with pytest.raises(UserError, match=r"^no such thing$"):
        one_by_one(folders(tmp_path)[:1], None, work)


def test_a_signal_ends_the_whole_job(tmp_path: Path, capsys):
    begun = []

    def work(folder: Path) -> str:
        begun.append(folder.name)
        raise Stopped(15, 3)

    with pytest.raises(Stopped):
        one_by_one(folders(tmp_path), "own.log", work)
    assert begun == ["seed0"]
    assert "stopped by SIGTERM; saved after step 3" in (tmp_path / "seed0" / "own.log").read_text()
    assert "stopped by SIGTERM" in capsys.readouterr().err
