"""Runs in which a number stops being one."""

from typing import Any

import torch

from asura.models.model import Loss
from asura.training.loop import train
from asura.training.trainer import Trainer
from tests.conftest import Tell, tiny_run
from tests.training.trainings import metrics_of


def test_a_nan_is_said_at_its_step_and_is_a_result(tmp_path, monkeypatch, fault: Tell):
    fault("a run that diverges: a NaN planted at step 30", "recorded with its step, and not tried again")

    def advance(trainer: Trainer) -> None:
        if trainer.step == 29:
            with torch.no_grad():
                trainer.model.head.weight.fill_(float("nan"))
        original(trainer)

    original = Trainer.advance
    monkeypatch.setattr(Trainer, "advance", advance)
    record = train(tiny_run({"steps": 60}), tmp_path)
    assert (record["status"], record["step"]) == ("diverged", 30)
    assert metrics_of(tmp_path)[-1] == {**metrics_of(tmp_path)[-1], "step": 30, "loss": None, "diverged_at": 30}
    assert train(tiny_run({"steps": 60}), tmp_path) == record


def test_a_gradient_that_is_no_number_in_the_last_step_is_a_divergence(tmp_path, monkeypatch):
    original = Trainer._backward

    def backward(trainer: Trainer, *part: Any) -> Loss:
        result = original(trainer, *part)
        if trainer.step == 11:
            trainer.model.head.weight.grad.fill_(float("nan"))
        return result

    monkeypatch.setattr(Trainer, "_backward", backward)
    record = train(tiny_run(), tmp_path)
    assert (record["status"], record["step"]) == ("diverged", 12)
