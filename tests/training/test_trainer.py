import math
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from asura.models import build
from asura.tasks.base import IGNORE
from asura.training.batches import Drawn
from asura.training.trainer import Trainer
from tests.conftest import TINY, tiny_run

CPU = torch.device("cpu")


def trained(models: dict | None = None, **training: object) -> dict[str, torch.Tensor]:
    trainer = Trainer(tiny_run(training, models=models or TINY["models"]), CPU)
    while not trainer.done:
        trainer.advance()
    return trainer.model.state_dict()


def test_a_step_is_that_of_a_loop_written_plainly():
    run = tiny_run({"schedule": "constant", "weight_decay": 0.0, "clip": None})
    model = build(run.model, run.task.vocabulary, run.seed)
    adamw = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0)
    for step in range(run.training.steps):
        tokens, targets = Drawn(run.task, 4, run.seed).at(step)
        loss = cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        adamw.zero_grad()
        loss.backward()
        adamw.step()
    found = trained(schedule="constant", weight_decay=0.0, clip=None)
    for name, tensor in model.state_dict().items():
        assert torch.allclose(found[name], tensor, atol=1e-5), name


def test_metrics_are_means_over_the_steps_since_the_last():
    run = tiny_run({"clip": 0.01})
    trainer, losses, correct, asked = Trainer(run, CPU), [], 0, 0
    for step in range(3):
        tokens, targets = Drawn(run.task, 4, run.seed).at(step)
        logits = trainer.model(tokens)
        losses.append(cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"))
        correct += int((logits.argmax(-1) == targets).sum())
        asked += int((targets != IGNORE).sum())
        trainer.advance()
    metrics = trainer.measure()
    assert metrics.loss == pytest.approx(float(sum(losses)) / asked, rel=1e-5)
    assert metrics.accuracy == correct / asked
    assert (metrics.step, metrics.tokens, metrics.diverged_at) == (3, 3 * 4 * 8, None)
    assert metrics.gradient_norm > 0.01  # before clipping


@pytest.mark.parametrize("models", [TINY["models"], {"recurrent_depth": {"n": 1, "i": 2}}])  # which starts from noise
def test_accumulation_changes_no_more_than_rounding(models: dict):
    whole, parts = trained(models), trained(models, accumulate=4)
    assert all(torch.allclose(whole[name], parts[name], atol=1e-5) for name in whole)


def test_the_same_run_has_the_same_bits_and_another_seed_others():
    first, again = trained(), trained()
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = Trainer(tiny_run(seeds=[1]), CPU).model.state_dict()
    assert not torch.equal(Trainer(tiny_run(), CPU).model.state_dict()["head.weight"], other["head.weight"])


def test_clipping_bounds_the_gradient():
    trainer = Trainer(tiny_run({"clip": 1e-3}), CPU)
    trainer.advance()
    norm = torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_the_first_step_without_a_finite_loss_is_named():
    trainer = Trainer(tiny_run(), CPU)
    for _ in range(2):
        trainer.advance()
    with torch.no_grad():
        trainer.model.head.weight[0, 0] = math.nan
    for _ in range(2):
        trainer.advance()
    assert trainer.measure().diverged_at == 3


@pytest.mark.parametrize("optimiser", ["adamw", "nadamw", "adafactor", "muon"])
@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_restored_run_ends_with_the_same_bits(optimiser: str, stop: int):
    run = tiny_run({"optimiser": optimiser, "accumulate": 2})
    straight, first, second = (Trainer(run, CPU) for _ in range(3))
    while not straight.done:
        straight.advance()
    for _ in range(stop):
        first.advance()
    state = {name: tensor.clone() for name, tensor in first.state().items()}
    second.restore(state, first.step)
    assert first.measure() == second.measure()
    while not second.done:
        second.advance()
    for name, tensor in straight.state().items():
        assert torch.equal(second.state()[name], tensor), name


@pytest.mark.parametrize(
    "model",
    [
        {"recurrent_depth": {"n": 1, "i": 3, "backpropagate": 2}},
        {"deep_thinking": {"n": 1, "i": 3}},
        {"ndr": {"n": 1, "i": 3, "attention_dropout": 0.3, "gate_dropout": 0.3}},
        {"universal": {"n": 1, "i": 3, "halting": "act"}},
        {"deq": {"n": 1, "i": 4}},
        {"asura": {"n": 1, "i": 3, "drawn": True, "progressive": 0.5}},
    ],
    ids=str,
)
def test_what_training_draws_and_measures_is_resumed_exactly(model: dict):
    run = tiny_run(models=model)
    straight, first, second = (Trainer(run, CPU) for _ in range(3))
    for _ in range(7):
        straight.advance()
    for _ in range(3):
        first.advance()
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, first.step)
    for _ in range(4):
        second.advance()
    assert second.measure() == straight.measure()
    assert set(straight.measure().measures) == set(straight.model.measured)
    for name, tensor in straight.state().items():
        assert torch.equal(second.state()[name], tensor), name


def test_the_model_draws_anew_at_each_step_and_the_same_for_the_same_seed():
    def losses(seed: int) -> list[float]:
        trainer = Trainer(tiny_run(models={"recurrent_depth": {"n": 1, "i": 6}}, seeds=[seed]), CPU)
        found = []
        for _ in range(3):
            trainer.advance()
            found.append(trainer.measure().loss)
            trainer.forget()
        return found

    assert losses(0) == losses(0) != losses(1)


def test_bfloat16_and_compilation_train_to_nearly_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    plain, half, compiled = trained(), trained(precision="bfloat16"), trained(compile=True)
    weights = plain["head.weight"]
    assert torch.allclose(compiled["head.weight"], weights, atol=1e-4)
    assert not torch.equal(half["head.weight"], weights)
    assert torch.allclose(half["head.weight"], weights, atol=0.05)


@pytest.mark.parametrize("model", [{"asura": {"n": 1, "i": 3}}, {"asura_full": {"n": 1, "i": 3}}], ids=str)
def test_activation_checkpointing_trains_to_the_same_bits(model: dict):
    kept, again = (trained(activation_checkpointing=value, models=model, dropout=0.2) for value in (False, True))
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_chunks_and_activation_checkpointing_are_compiled(monkeypatch):
    plain = trained()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # all but the C++ compiler
    monkeypatch.setattr("asura.models.model.LOGITS_AT_ONCE", 3 * 10)  # ten positions of 32 at once
    compiled = trained(compile=True, activation_checkpointing=True)
    assert all(torch.allclose(compiled[name], plain[name], atol=1e-4) for name in plain)


SUPERVISED = {"asura": {"n": 1, "i": 4, "deep_supervision": 2}}


def test_deep_supervision_takes_a_step_on_each_part_of_the_iterations():
    run = tiny_run({"schedule": "constant", "weight_decay": 0.0, "clip": None}, models=SUPERVISED)
    model = build(run.model, run.task.vocabulary, run.seed)
    adamw = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0)
    z = torch.empty(0)
    for step in range(run.training.steps):
        tokens, targets = Drawn(run.task, 4, run.seed).at(step // 2)
        first, e = step % 2 == 0, model.embed(tokens)
        z = e if first else z.detach()
        for t in (1, 2) if first else (3, 4):
            z, _ = model.iterate((z, e), t)
        loss = cross_entropy(model.logits(z).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        adamw.zero_grad()
        loss.backward()
        adamw.step()
    found = trained(SUPERVISED, schedule="constant", weight_decay=0.0, clip=None, accumulate=2)
    for name, tensor in model.state_dict().items():
        assert torch.allclose(found[name], tensor, atol=1e-5), name


@pytest.mark.parametrize("model", [{"i": 4, "deep_supervision": 4}, {"i": 3, "growing": 0.5}])
@pytest.mark.parametrize("stop", [3, 5])
def test_a_rule_that_depends_on_the_step_goes_on_to_the_same_bits(model: dict, stop: int):
    run = tiny_run({"accumulate": 2}, models={"bare": {"n": 1, **model}})
    whole, before, after = (Trainer(run, CPU) for _ in range(3))
    while not whole.done:
        whole.advance()
    while before.step < stop:
        before.advance()
    after.restore({name: tensor.clone() for name, tensor in before.state().items()}, stop)
    while not after.done:
        after.advance()
    assert all(torch.equal(after.weights()[name], tensor) for name, tensor in whole.weights().items())
