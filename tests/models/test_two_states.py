"""Tiny and hierarchical recursive models against independent slow versions: states, gradients, steps, halting."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from asura.models import build
from asura.models.model import Model
from asura.models.two_states import Level
from asura.tasks.base import IGNORE
from asura.training.batches import Drawn
from asura.training.trainer import Trainer
from tests.conftest import tiny_run
from tests.models.test_layers import drawn, scrambled, slow_attention, slow_block, slow_mlp, slow_norm

V, CPU = 7, torch.device("cpu")
KINDS = pytest.mark.parametrize("name", ["trm", "hrm"])


def small(name: str, **settings: object) -> Any:
    return build({"architecture": name, "n": 1, "i": 4, "width": 8, "heads": 2} | settings, V)


def levels(model: Any) -> tuple[Level, Level]:
    """The stack of the latent state and that of the answer."""
    return (model.level, model.level) if hasattr(model, "level") else (model.low, model.high)


def slow_level(x: Tensor, level: Level) -> Tensor:
    """One sequence (T, d)."""
    for block in level.blocks:
        if not isinstance(level.norm, nn.Identity):
            x = slow_block(x, block)  # type: ignore[arg-type]
        else:
            x = slow_norm(x + slow_attention(x, block.attention), block.attention_norm)  # type: ignore[arg-type]
            x = slow_norm(x + slow_mlp(x, block.mlp), block.mlp_norm)  # type: ignore[arg-type]
    return x if isinstance(level.norm, nn.Identity) else slow_norm(x, level.norm)


@KINDS
@pytest.mark.parametrize(("norms", "recall"), [("after", True), ("before", False)])
@torch.no_grad()
def test_states_follow_the_equations(name: str, norms: str, recall: bool):
    model: Any = scrambled(small(name, n=2, i=2, latent_updates=3, norms=norms, recall=recall))
    (tokens,) = drawn(1, 5)
    low, high = levels(model)
    e = model.embed(tokens[None])[0]
    y = model.first_answer.expand(5, 8) if recall else e
    z = model.first_latent.expand(5, 8)
    for state in model.trajectory(tokens[None]):
        for _ in range(3):
            z = slow_level(z + y + e if recall else z + y, low)
        y = slow_level(y + z, high)
        torch.testing.assert_close(model.read(state)[0], y, rtol=0, atol=1e-6)
        torch.testing.assert_close(state[1][0], z, rtol=0, atol=1e-6)


def test_parts_are_shared_as_published():
    tiny, hierarchical = (dict(small(name, n=2).named_parameters()) for name in ("trm", "hrm"))
    blocks = [sum(w.numel() for key, w in found.items() if ".blocks." in key) for found in (tiny, hierarchical)]
    block = 8 * 24 + 8 * 8 + 2 * 8 * 32 + 2 * 16 + 2 * 4
    assert blocks == [2 * block, 4 * block]
    assert not any(key.startswith("first") for key in tiny | hierarchical)  # the first states are not trained


def test_first_states_follow_from_the_seed():
    first, again, other = (build({"architecture": "trm"}, V, seed).state_dict() for seed in (1, 1, 2))
    for name in ("first_answer", "first_latent"):
        assert torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name])
    assert 0.7 < torch.cat([first["first_answer"], first["first_latent"]]).std() < 1.3  # five standard errors


@pytest.mark.parametrize(
    ("name", "i", "steps", "each"),
    [("trm", 48, 16, 3), ("trm", 4, 2, 2), ("trm", 1, 1, 1), ("hrm", 32, 16, 2), ("hrm", 3, 3, 1)],
)
def test_the_default_supervision_is_the_published_one_where_i_allows_it(name: str, i: int, steps: int, each: int):
    settings = small(name, i=i).settings
    assert settings.deep_supervision == steps and i // steps == each
    assert small(name, i=i, drawn=True).settings.deep_supervision == 1
    assert small(name, i=i, guidance=[0.0] * (i - 1) + [1.0]).settings.deep_supervision == 1


@pytest.mark.parametrize(
    ("name", "settings", "traced"),
    [
        ("trm", {}, {1, 2, 3}),
        ("trm", {"one_step_gradient": True}, {3}),
        ("hrm", {}, {3}),
        ("hrm", {"one_step_gradient": False}, {1, 2, 3}),
    ],
)
def test_the_gradient_is_that_of_an_independent_slow_version(name: str, settings: dict, traced: set[int]):
    """Of the second step of two: the state carried in is a constant, and so is all but the last iteration."""
    model: Any = scrambled(small(name, latent_updates=3, halting_weight=0.0, **settings))
    tokens, targets = drawn(3, 5), drawn(3, 5).roll(1, 1)
    (first,), (second,) = model.unrollings(segment=0), model.unrollings(segment=1)
    carried = model.loss(tokens, targets, passes=[first]).carried
    model.loss(tokens, targets, passes=[second._replace(carried=carried)]).loss.backward()
    found = {key: own.grad.clone() for key, own in model.named_parameters() if own.grad is not None}
    model.zero_grad()

    low, high = levels(model)
    e = model.embed(tokens)
    y, z = model.first_answer.expand_as(e), model.first_latent.expand_as(e)
    for iteration in (1, 2, 3, 4):
        for update in (1, 2, 3):
            z = low(z + y + e)
            z = z if iteration == 4 and update in traced else z.detach()
        y = high(y + z)
        y = y if iteration == 4 else y.detach()
    cross_entropy(model.logits(y).flatten(0, 1), targets.flatten(), reduction="sum").backward()
    expected = {key: own.grad for key, own in model.named_parameters() if own.grad is not None}
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-9, atol=1e-9)


@KINDS
def test_training_is_that_of_a_loop_written_plainly(name: str):
    """Every step of deep supervision goes on from the state of the last one, also where a batch is cut in parts."""
    run = tiny_run(
        {"schedule": "constant", "weight_decay": 0.0, "clip": None, "accumulate": 2},
        models={name: {"n": 1, "i": 4, "deep_supervision": 4, "latent_updates": 1}},
    )
    model: Any = build(run.model, run.task.vocabulary, run.seed)
    adamw = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0)
    trainer = Trainer(run, CPU)
    y = z = torch.empty(0)
    for step in range(run.training.steps):
        tokens, targets = Drawn(run.task, 4, run.seed).at(step // 4)
        e = model.embed(tokens)
        if step % 4 == 0:
            y, z = model.first_answer.expand_as(e), model.first_latent.expand_as(e)
        y, z, _ = model.iterate((y.detach(), z.detach(), e), 1)
        loss = cross_entropy(model.logits(y).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        adamw.zero_grad()
        (loss + halting_loss(model, y, targets)).backward()
        adamw.step()
        trainer.advance()
    for key, tensor in trainer.model.state_dict().items():
        assert torch.allclose(tensor, model.state_dict()[key], atol=1e-5), key


def halting_loss(model: Any, y: Tensor, targets: Tensor) -> Tensor:
    """One sequence at a time; every asked position of the batch counts equally."""
    asked, total = int((targets != IGNORE).sum()), torch.zeros(())
    for state, wanted in zip(y, targets, strict=True):
        odds = state.mean(0) @ model.halting.weight[0] + model.halting.bias[0]
        told = [int(model.logits(own).argmax()) == want for own, want in zip(state, wanted, strict=True)]
        right = all(ok for ok, want in zip(told, wanted, strict=True) if want != IGNORE)
        share = int((wanted != IGNORE).sum()) / asked
        total = total - 0.5 * share * (odds if right else -odds).sigmoid().log()
    return total


@pytest.mark.parametrize("limit", [1, 10**6])
def test_the_halting_head_learns_whether_all_asked_positions_are_right(limit: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("asura.models.model.LOGITS_AT_ONCE", limit)
    model = small("trm")
    tokens = drawn(4, 5)
    *_, state = model.trajectory(tokens)
    answers = model.logits(state[0]).argmax(-1)
    targets = answers.clone()
    targets[0, 3] = (targets[0, 3] + 1) % V  # one position is wrong
    targets[1, :] = IGNORE  # nothing is asked
    targets[2, 3] = IGNORE  # one position is not asked
    # Odds of -5 at the start: the wrong sequence costs log(1 + exp(-5)), each right one log(1 + exp(5)).
    wrong, right = 0.006715348, 5.006715348
    expected = 0.5 * (5 * wrong + 4 * right + 5 * right) / 14
    assert model.penalty(state, targets).item() == pytest.approx(expected, rel=1e-5)
    assert torch.equal(model.answers(state[0]), answers)
    model.penalty(state, targets).backward()
    assert model.halting.bias.grad.item() < 0  # the odds are to rise
    assert torch.allclose(model.measures(state)["halting_probability"], torch.full((4,), 0.006692851))


def advance(trainer: Trainer, count: int) -> None:
    for _ in range(count):
        trainer.advance()


@KINDS
@pytest.mark.parametrize("stop", [3, 4, 6])
def test_a_run_stopped_within_a_batch_goes_on_to_the_same_bits(name: str, stop: int):
    run = tiny_run({"accumulate": 2}, models={name: {"n": 1, "i": 6}})
    assert run.model.model_dump()["deep_supervision"] == (2 if name == "trm" else 3)
    whole, before, after = (Trainer(run, CPU) for _ in range(3))
    advance(whole, 9)
    advance(before, stop)
    saved = {key: tensor.clone() for key, tensor in before.state().items()}
    assert {"carried.0", "carried.1", "model.first_answer"} <= saved.keys() and "carried.2" not in saved
    after.restore(saved, stop)
    advance(after, 9 - stop)
    assert whole.measure() == after.measure()
    assert all(torch.equal(after.state()[key], tensor) for key, tensor in whole.state().items())


def test_a_model_without_halting_head_has_no_penalty_and_no_measure():
    model: Model = small("hrm", halting_weight=0.0)
    *_, state = model.trajectory(drawn(2, 5))
    assert model.penalty(state, drawn(2, 5)) is None and model.measures(state) == {} == dict.fromkeys(model.measured)
