"""Training on a GPU: every architecture, to the same bits, and a step that never waits. `benchmarks/gpu.py` runs it.

It imports nothing of the other tests, so that a machine needs no more packages than training does.
"""

import warnings
from typing import Any

import pytest
import torch

from asura.models import ARCHITECTURES
from asura.planning.runs import Run
from asura.planning.training_settings import Training
from asura.tasks.phop import PHop
from asura.training.devices import prepare
from asura.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def trainer(architecture: str, **training: Any) -> Trainer:
    kind, _ = ARCHITECTURES[architecture]
    model = kind.model_validate({"n": 1, "width": 32, "heads": 2} | ({"i": 4} if kind.iterates() else {}))
    asked = Training(steps=10**6, batch=8, **training)
    about: dict[str, Any] = {"label": architecture, "model": model, "task": PHop(length=16), "training": asked}
    return Trainer(Run.model_construct(seed=0, **about), prepare(1))


def advanced(steps: int, one: Trainer) -> Trainer:
    for _ in range(steps):
        one.advance()
    return one


def same(one: Trainer, other: Trainer) -> bool:
    return all(torch.equal(tensor, other.weights()[name]) for name, tensor in one.weights().items())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_and_one_that_was_interrupted_end_with_the_same_bits(architecture: str):
    straight = advanced(8, trainer(architecture))
    first, second = advanced(4, trainer(architecture)), trainer(architecture)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, first.step)
    assert same(straight, advanced(8, trainer(architecture)))
    assert same(straight, advanced(4, second))


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
@pytest.mark.parametrize("architecture", ["vanilla", "asura", "asura_full", "universal", "ndr", "deep_thinking"])
def test_a_step_waits_for_nothing(architecture: str, optimiser: str):
    one = advanced(2, trainer(architecture, optimiser=optimiser))
    torch.cuda.set_sync_debug_mode("error")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            advanced(3, one)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_one_step_of_muon_is_nearly_torchs():
    from asura.training.muon import Muon

    stepped = []
    for kind in (Muon, torch.optim.Muon):
        generator = torch.Generator().manual_seed(0)
        matrices = [torch.nn.Parameter(torch.randn(64, 48, generator=generator).cuda()) for _ in range(3)]
        for matrix in matrices:
            matrix.grad = torch.randn(64, 48, generator=generator).cuda()
        kind(matrices, lr=0.1, adjust_lr_fn="match_rms_adamw").step()
        stepped.append(torch.stack([matrix.detach() for matrix in matrices]))
    torch.testing.assert_close(*stepped, atol=1e-3, rtol=0.02)
