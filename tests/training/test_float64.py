"""No float64 on a device: Apple's GPUs have none. The device is pretended: what is computed from the model is on it."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asura.evaluation.accuracy import answers
from asura.evaluation.likelihood import _score
from asura.evaluation.lm_eval_model import IteratedLM
from asura.pretrained.generation import continuation
from asura.training.trainer import Trainer
from tests.conftest import tiny_run
from tests.models.variants import VARIANTS, VOCABULARY, small

CPU = torch.device("cpu")
TOKENS = torch.randint(VOCABULARY, (4, 6), generator=torch.Generator().manual_seed(0))


class Device(TorchDispatchMode):
    """Marks what is computed from what it holds, and refuses to hold float64. `Tensor.cpu` leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[int, Any] = {}  # by its address, which is not used again while it is held

    def hold(self, tensors: Any) -> None:
        for tensor in tensors:
            assert tensor.dtype != torch.float64, "float64 on a device"
            storage = tensor.untyped_storage()
            self._held[storage._cdata] = storage

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if any(self._holds(tensor) for tensor in tree_leaves((args, kwargs))):
            self.hold(tensor for tensor in tree_leaves(result) if isinstance(tensor, Tensor))
        return result

    def _holds(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata in self._held


@pytest.fixture
def device(monkeypatch) -> Iterator[Device]:
    def cpu(tensor: Tensor) -> Tensor:
        with torch._C._DisableTorchDispatch():
            return tensor.detach().clone()

    monkeypatch.setattr(Tensor, "cpu", cpu)
    with Device() as pretended:
        yield pretended


def test_the_pretended_device_refuses_float64_until_it_is_left(device: Device):
    held = torch.ones(3)
    device.hold([held])
    assert (held + 1).cpu().double().sum() == 6
    with pytest.raises(AssertionError, match="float64 on a device"):
        (held + 1).double()


@pytest.mark.parametrize(
    ("model", "optimiser"),
    [
        ({"asura_full": {"n": 1, "i": 2}}, "adamw"),
        ({"asura": {"n": 1, "i": 2}}, "muon"),
        ({"ndr": {"n": 1, "i": 2}}, "adafactor"),
        ({"universal": {"n": 1, "i": 2, "halting": "act"}}, "adamw"),
        ({"deq": {"n": 1, "i": 4}}, "adamw"),
    ],
    ids=str,
)
def test_training_puts_no_float64_on_a_device(model: dict, optimiser: str, device: Device):
    run = tiny_run({"optimiser": optimiser, "z_loss": 1e-4}, models=model)
    trainer = Trainer(run, CPU)
    device.hold(trainer.model.parameters())
    for _ in range(2):
        trainer.advance()
    assert trainer.measure().loss > 0
    device.hold(trainer.state().values())


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_evaluation_puts_no_float64_on_a_device(variant: dict, device: Device):
    model = small(**variant)
    device.hold(model.parameters())
    numbers = range(1, 5) if model.settings.iterates() else (1,)
    answers(model, TOKENS, TOKENS, numbers, CPU)


def test_likelihoods_and_generation_put_no_float64_on_a_device(device: Device):
    model = small(architecture="asura")
    device.hold(model.parameters())
    with torch.no_grad():
        _score(model(TOKENS), TOKENS)
        next(continuation(model, [1, 2], 6, VOCABULARY, 1.0, torch.Generator().manual_seed(0)))
    lm = IteratedLM(model, Mock(), range(1, 5), 6, CPU)
    assert len(lm._answers([([1, 2], [3]), ([2], [4, 5])])) == 2
