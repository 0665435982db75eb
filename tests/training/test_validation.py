"""Training on the validation split is watched and never done, and nothing is read from the test split."""

import json

import pytest
import torch

from asura.common.randomness import generator
from asura.models import build
from asura.planning.run_folder import RunFolder
from asura.tasks import IGNORE, Task
from asura.training.loop import train
from asura.training.validation import Validation
from tests.conftest import tiny_run

CPU = torch.device("cpu")


def test_what_is_measured_is_that_of_a_plain_loop():
    run = tiny_run({"validation_examples": 50})
    model = build(run.model, run.task.vocabulary, 3)
    found = Validation(run, CPU).measure(model)
    tokens, targets = run.task.splits["validation"].draw(50, generator("validation"))
    losses, right, exact = [], [], []
    for row, wanted in zip(tokens, targets, strict=True):
        with torch.no_grad():
            chances = model(row[None])[0].log_softmax(-1)
        asked = [k for k in range(len(row)) if wanted[k] != IGNORE]
        losses += [-chances[k, wanted[k]].item() for k in asked]
        right += [int(chances[k].argmax()) == int(wanted[k]) for k in asked]
        exact += [all(right[len(right) - len(asked) :])] if asked else []
    assert found["validation_loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert found["validation_accuracy"] == pytest.approx(sum(right) / len(right))
    assert found["validation_exact_match"] == pytest.approx(sum(exact) / len(exact))
    assert model.training


def test_weights_are_the_same_with_and_without(tmp_path):
    records = [
        train(tiny_run({"validation_examples": count, "log_steps": 4}), tmp_path / str(count)) for count in (0, 40)
    ]
    weights = [RunFolder(tmp_path / count).weights.read_bytes() for count in ("0", "40")]
    assert records[0]["status"] == records[1]["status"] == "finished"
    assert weights[0][-4000:] == weights[1][-4000:]  # their heads name different runs
    lines = [json.loads(line) for line in RunFolder(tmp_path / "40").metrics.read_text().splitlines()]
    assert len(lines) == 3 and all(0 <= line["validation_accuracy"] <= 1 for line in lines)
    assert len({line["validation_loss"] for line in lines}) == 3


def test_training_reads_nothing_of_the_test_split(tmp_path, monkeypatch):
    """No choice is made on what it is scored on."""
    read = []
    draw = Task.draw

    def spied(task: Task, count: int, source: torch.Generator):
        read.append(task.part)
        return draw(task, count, source)

    monkeypatch.setattr(Task, "draw", spied)
    train(tiny_run({"validation_examples": 20}), tmp_path)
    assert set(read) == {"training", "validation"}
