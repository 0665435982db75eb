"""Training on a GPU: every architecture, to the same bits, and a step that never waits. `benchmarks/gpu.py` runs it.

It imports nothing of the other tests, so that a machine needs no more packages than training does.
"""

import subprocess
import sys
import warnings
from pathlib import Path
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


def trainer(architecture: str, settings: dict[str, Any] | None = None, **training: Any) -> Trainer:
    kind, _ = ARCHITECTURES[architecture]
    size = {"n": 1, "width": 32, "heads": 2} | ({"i": 4} if kind.iterates() else {})
    model = kind.model_validate(size | (settings or {}))
    asked = Training.model_validate({"steps": 10**6, "batch": 8} | training)
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


def same_when_replayed(architecture: str, settings: dict[str, Any] | None = None, **training: Any) -> bool:
    """Whether CUDA graphs change no bit of the weights, nor of what is measured, also of an interrupted run."""
    computed = advanced(8, trainer(architecture, settings, **training))
    replayed = advanced(8, trainer(architecture, settings, cuda_graph=True, **training))
    first, second = (trainer(architecture, settings, cuda_graph=True, **training) for _ in range(2))
    second.restore({name: tensor.clone() for name, tensor in advanced(3, first).state().items()}, first.step)
    measured = computed.measure() == replayed.measure() == advanced(5, second).measure()
    return measured and same(computed, replayed) and same(computed, second)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_replayed_passes_change_no_bit(architecture: str):
    assert same_when_replayed(architecture)


RULES: dict[str, dict[str, Any]] = {
    "drawn": {"drawn": True},
    "progressive": {"progressive": 0.5},
    "truncated": {"backpropagate": 2},
    "guided": {"guidance": "uniform"},
    "supervised": {"deep_supervision": 2},
    "growing": {"growing": 0.5},
}


@pytest.mark.parametrize("rule", RULES)
def test_replayed_passes_change_no_bit_under_other_rules_of_training(rule: str):
    assert same_when_replayed("asura", RULES[rule], steps=16)


TRAININGS: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": 0.2},
    "compiled": {"compile": True},
    "average": {"average": 0.9, "optimiser": "muon", "z_loss": 1e-4},
    "float32": {"precision": "float32", "optimiser": "adafactor"},
    "accumulated": {"accumulate": 2},
}


@pytest.mark.parametrize("training", TRAININGS)
def test_replayed_passes_change_no_bit_beside_other_settings(training: str):
    assert same_when_replayed("asura", **TRAININGS[training])


def test_a_replayed_pass_is_computed_by_no_python():
    one = trainer("asura", cuda_graph=True)
    advanced(1, one)
    one._loss = None  # type: ignore[assignment]
    advanced(2, one)


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


def test_a_model_that_waits_is_refused():
    """In a process of its own, which the failed capture may harm."""
    source = """
import torch
from asura.common.errors import UserError
from asura.models.asura import Asura
from tests.training.test_gpu import advanced, trainer

iterate = Asura.iterate
Asura.iterate = lambda self, state, t: iterate(self, state, t) if state[0].sum().item() else state
try:
    advanced(1, trainer("asura", cuda_graph=True))
except UserError as error:
    assert "asura waits for the GPU" in str(error), error
else:
    raise AssertionError("it was captured")
"""
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", source], cwd=root, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
