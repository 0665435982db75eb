"""What a study left is verified, and nothing in it can be changed unnoticed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import succeed

RUN = "runs/phop/asura-n1-i2/seed0"


def verify(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "asura", "verify", "results/tiny"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


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


TAMPERED = [
    (f"{RUN}/weights.safetensors", flip, "weights.safetensors"),
    (f"{RUN}/evaluation.json", raise_a_score, "evaluation.json"),
    (f"{RUN}/evaluation.json", drop_a_score, "evaluation.json"),
    (f"{RUN}/metrics.jsonl", replace("0.", "1."), "metrics.jsonl"),
    (f"{RUN}/run.json", replace('"batch": 4', '"batch": 5'), "run.json"),
    (f"{RUN}/training.json", replace("finished", "diverged"), "tidy/"),
    ("plan.json", replace('"asura"', '"deq"'), "plan.json"),
    ("study.json", replace('"steps": 12', '"steps": 13'), "plan.json"),
    ("tidy/scores.csv", replace("0.", "1."), "tidy/scores.csv"),
    ("tables/comparison.csv", replace("0.", "1."), "tables/comparison.csv"),
    ("tables/comparison.html", replace("0.", "1."), "tables/comparison.html"),
    ("report.html", replace("data:text/html;charset=utf8;filename=comparison.html;base64,PCFE", "PCFF"), "report.html"),
    (f"{RUN}/weights.safetensors", Path.unlink, "weights.safetensors"),
]


@pytest.mark.parametrize(("name", "tamper", "said"), TAMPERED, ids=lambda value: getattr(value, "__name__", value))
def test_what_was_changed_is_named(folder: Path, name: str, tamper: Callable[[Path], None], said: str):
    tamper(folder / "results" / "tiny" / name)
    done = verify(folder)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_a_study_that_nobody_touched_holds(folder: Path):
    succeed(folder)
    done = verify(folder)
    assert done.returncode == 0, done.stderr
    assert "tidy frames follow from the runs" in done.stdout and "report.html holds" in done.stdout
