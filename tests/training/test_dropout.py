"""Dropout, which follows from a run's seed and step alone; beside the average of weights, through an interruption."""

from typing import Any

import pytest
import torch

from asura.models import ARCHITECTURES, build
from asura.models.blocks import PostNormBlock, SandwichBlock
from asura.models.layers import Block, set_dropout
from asura.models.vanilla import VanillaSettings
from asura.training.loop import train
from asura.training.trainer import Trainer
from tests.conftest import tiny_run
from tests.training.trainings import same_end, stopped_after

CPU = torch.device("cpu")
TOKENS = torch.randint(5, (3, 6), generator=torch.Generator().manual_seed(0))
BOTH = {"dropout": 0.2, "average": 0.9, "accumulate": 2, "validation_examples": 8}


def small(name: str, **settings: Any) -> Any:
    iterates = ARCHITECTURES[name][0].iterates()
    return build({"architecture": name, "width": 8, "heads": 2, **({"i": 4} if iterates else {}), **settings}, 5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_drops_in_training_alone(name: str):
    model = small(name).eval()
    before = model.loss(TOKENS, TOKENS).loss.item()
    set_dropout(model, 0.5)
    assert model.loss(TOKENS, TOKENS).loss.item() == before
    model.train()
    first, second = (model.loss(TOKENS, TOKENS).loss.item() for _ in range(2))
    assert len({before, first, second}) == 3


@pytest.mark.parametrize("kind", [PostNormBlock, SandwichBlock])
@torch.no_grad()
def test_other_blocks_drop_too(kind: type[Block]):
    """With nearly all dropped, what attention and MLP compute no longer matters."""
    block = build_block(kind)
    set_dropout(block, 1 - 1e-9)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    first = block(x)
    for linear in (block.attention.out, block.mlp.down):
        torch.nn.init.ones_(linear.weight)
    assert torch.equal(block(x), first)


def build_block(kind: type[Block]) -> Block:
    torch.manual_seed(0)
    return kind(VanillaSettings(width=8, heads=2))


@pytest.mark.parametrize("part", ["attention", "mlp"])
@torch.no_grad()
def test_a_block_drops_a_share_of_what_a_part_adds_and_scales_the_rest(part: str):
    block: Any = build(VanillaSettings(width=64, heads=2), 5).get_submodule("blocks.0")
    other = block.mlp.down if part == "attention" else block.attention.out
    torch.nn.init.zeros_(other.weight)
    x = torch.randn(4, 50, 64, generator=torch.Generator().manual_seed(0))
    whole = block(x) - x
    set_dropout(block, 0.25)
    torch.manual_seed(0)
    dropped = block(x) - x
    gone = dropped == 0
    assert 0.22 < gone.float().mean() < 0.28
    torch.testing.assert_close(dropped[~gone], whole[~gone] / 0.75, rtol=1e-4, atol=1e-5)


def test_a_fixed_point_is_found_under_dropout():
    model = small("deq", i=60)
    set_dropout(model, 0.3)
    (state,) = model.trajectory(TOKENS)
    assert model.measures(state)["converged"].min() > 0.9


@pytest.mark.parametrize("name", ["asura", "deq", "ndr", "recurrent_depth"])
def test_what_is_dropped_follows_from_seed_and_step(name: str):
    run = tiny_run(BOTH, models={name: {"n": 1, "i": 4}})
    straight, first, second = (Trainer(run, CPU) for _ in range(3))
    for _ in range(4):
        straight.advance()
    for _ in range(2):
        first.advance()
        torch.rand(3)  # what others draw meanwhile changes nothing
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, first.step)
    for _ in range(2):
        second.advance()
    assert second.measure() == straight.measure()
    assert {key.split(".")[0] for key in straight.state()} == {"model", "optimiser", "average", "window"}
    for key, tensor in straight.state().items():
        assert torch.equal(second.state()[key], tensor), key


def test_an_interrupted_run_ends_with_the_bits_of_one_that_was_not(tmp_path, monkeypatch):
    run = tiny_run(BOTH)
    train(run, tmp_path / "straight")
    stopped_after(5, tmp_path / "stopped", monkeypatch, run)
    train(run, tmp_path / "stopped")
    same_end(tmp_path / "straight", tmp_path / "stopped")
    train(tiny_run(BOTH | {"dropout": 0.0}), tmp_path / "without")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("straight", "without")]
    assert weights[0] != weights[1]


def test_each_part_of_each_batch_drops_its_own(monkeypatch):
    seeds: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    for seed in (0, 1):
        trainer = Trainer(tiny_run(BOTH, seeds=[seed]), CPU)
        for _ in range(2):
            trainer.advance()
    assert len(seeds) == len(set(seeds)) == 2 * 2 * 2
