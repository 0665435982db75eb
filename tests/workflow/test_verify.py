"""What a study left is verified, and nothing in it can be changed unnoticed."""

import json
import shutil
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from unittest.mock import Mock

import pytest

from asura.checking.verify import verify
from asura.cli import main
from asura.common.errors import UserError
from asura.common.files import read_sealed, write_sealed
from asura.planning.planner import make

RUN = "runs/phop/asura-n1-i2/seed0"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def replace(old: str, new: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return act


def raise_a_score(path: Path) -> None:
    content = json.loads(path.read_text())
    content["rows"][0]["value"] += 0.1
    path.write_text(json.dumps(content, indent=1) + "\n")


def drop_a_score(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["rows"][-1]
    path.write_text(json.dumps(content, indent=1) + "\n")


def ask_less(path: Path) -> None:
    """Another evaluation, sealed as it should be, that is not the one that the study asks for."""
    write_sealed(path, read_sealed(path) | {"made_of": read_sealed(path)["made_of"] | {"examples": 10}})


def plan_less(path: Path) -> None:
    """Another plan, sealed as it should be."""
    write_sealed(path, read_sealed(path) | {"seeds": []})


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unseal(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["sha256"]
    path.write_text(json.dumps(content))


TAMPERED = [
    (f"{RUN}/weights.safetensors", flip, "weights.safetensors: missing, or without the checksum"),
    (f"{RUN}/weights.safetensors", Path.unlink, "weights.safetensors: missing"),
    (f"{RUN}/evaluation.json", raise_a_score, "evaluation.json: its content does not have the checksum"),
    (f"{RUN}/evaluation.json", drop_a_score, "evaluation.json: its content does not have the checksum"),
    (f"{RUN}/evaluation.json", ask_less, "evaluation.json: it is of other weights, or was asked otherwise"),
    (f"{RUN}/evaluation.json", unseal, "evaluation.json: its content does not have the checksum"),
    (f"{RUN}/outcomes.safetensors", flip, "outcomes.safetensors: missing, or without the checksum"),
    (f"{RUN}/metrics.jsonl", replace("0.", "1."), "metrics.jsonl: missing, or without the checksum"),
    (f"{RUN}/training.json", lambda path: path.write_text("{}"), "training.json: its content does not have"),
    (f"{RUN}/run.json", replace('"batch": 4', '"batch": 5'), "run.json: it is not the run of plan.json"),
    (f"{RUN}/training.json", replace("finished", "diverged"), "training.json: its content does not have the checksum"),
    ("plan.json", replace('"asura"', '"deq"'), "plan.json: its content does not have the checksum"),
    ("plan.json", plan_less, "plan.json: it is not the plan of study.json"),
    ("study.json", replace('"steps": 12', '"steps": 13'), "plan.json: it is not the plan of study.json"),
    ("tidy/scores.csv", replace("0.", "1."), "tidy/scores.csv: missing, or not what follows"),
    ("tidy/resources.csv", replace("train", "evaluate"), "tidy/resources.csv: missing, or not what follows"),
    ("tables/comparison.csv", replace("0.", "1."), "tables/comparison.csv: missing, or not what follows"),
    ("tables/runs.md", replace("finished", "diverged"), "tables/runs.md: missing, or not what follows"),
    ("tables/comparison.html", replace("0.", "1."), "tables/comparison.html: missing, or not what follows"),
    (
        "figures/phop/learning_curves.svg",
        replace("path", "part"),
        "learning_curves.svg: missing, or not what follows",
    ),
    ("report.html", replace("ASURA 1×2", "ASURA 1×3"), "report.html: missing, or not what follows"),
    ("report.html", cut_short, "report.html: missing, or not what follows"),
    ("report.html", Path.unlink, "report.html: missing, or not what follows"),
]


@pytest.mark.parametrize(
    ("name", "tamper", "said"), TAMPERED, ids=[f"{name.split('/')[-1]}-{k}" for k, (name, *_) in enumerate(TAMPERED)]
)
def test_what_was_changed_is_named(folder: Path, name: str, tamper: Callable[[Path], None], said: str, monkeypatch):
    results = folder / "results" / "tiny"
    tamper(results / name)
    if not name.startswith("figures/"):  # to draw figures is slow: those that are there stand for them
        monkeypatch.setattr(
            "asura.checking.verify.write_figures", lambda _, to, study: shutil.copytree(results / "figures", to)
        )
    with pytest.raises(UserError, match=said):
        list(verify(results))


def test_a_plan_is_made_once(finished: Path, monkeypatch):
    planning = Mock(wraps=make)
    monkeypatch.setattr("asura.checking.code.make", planning)
    said = list(islice(verify(finished / "results" / "tiny"), 3))
    assert said[-1] == "all 3 runs were made by the code that is here" and planning.call_count == 1


def test_runs_that_other_code_made_are_named(folder: Path):
    record = folder / "results" / "tiny" / RUN / "training.json"
    write_sealed(record, read_sealed(record) | {"code": "0123456789abcdef"})
    with pytest.raises(UserError, match=r"1 of 3 runs were made by other code \(asura-n1-i2\)"):
        list(verify(folder / "results" / "tiny"))


def test_a_study_that_nobody_touched_holds_and_the_command_says_what(finished: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["asura", "verify", str(finished / "results" / "tiny")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert capsys.readouterr().out.splitlines() == [
        "plan.json is the plan of study.json: 3 models, 3 runs",
        "3 runs: settings, weights, metrics and records belong together, and 40 scores to them",
        "all 3 runs were made by the code that is here",
        "10 tidy frames follow from the runs",
        "28 files of tables follow from the frames",
        "10 files of figures follow from the frames",
        "report.html follows from the tables and figures",
    ]


def test_the_command_ends_with_one_line_at_the_first_thing_that_does_not_hold(folder: Path, monkeypatch, capsys):
    flip(folder / "results" / "tiny" / RUN / "weights.safetensors")
    monkeypatch.setattr(sys, "argv", ["asura", "verify", str(folder / "results" / "tiny")])
    with pytest.raises(SystemExit) as end:
        main()
    message = str(end.value.code)
    assert "weights.safetensors" in message and "\n" not in message
    assert len(capsys.readouterr().out.splitlines()) == 1
