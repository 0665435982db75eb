"""Replayed passes, with a stand-in for CUDA graphs that computes again what was captured.

tests/training/test_gpu.py has the real ones.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from asura.common.errors import UserError
from asura.models.model import Loss, Model
from asura.training.processes import Several
from asura.training.replay import Pass, Replayed
from asura.training.trainer import Trainer
from tests.conftest import tiny_run

CPU = torch.device("cpu")


def tensors_of(result: Loss) -> list[Tensor]:
    return [result.loss, result.correct, *result.measures.values(), *result.carried]


def gradients_of(model: Model) -> list[Tensor]:
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


class Graph:
    """Stands for `torch.cuda.CUDAGraph`."""

    computed: weakref.WeakMethod[Pass]  # a graph keeps no trainer
    given: tuple[Any, ...]
    model: Model
    result: Loss
    gradients: list[Tensor]

    def replay(self) -> None:
        """Write into the tensors of the capture what the pass gives for what its inputs are now."""
        self.model.zero_grad(set_to_none=True)
        result = self.computed()(*self.given)  # type: ignore[misc]
        for own, new in zip(tensors_of(self.result), tensors_of(result), strict=True):
            own.copy_(new)
        for own, new in zip(self.gradients, gradients_of(self.model), strict=True):
            own.copy_(new)


@pytest.fixture
def graphs(monkeypatch) -> list[Graph]:
    """The graphs that were captured."""
    captured: list[Graph] = []
    last = Graph()

    class Recording(Replayed):
        def __call__(self, computed: Pass, *given: Any) -> Loss:
            def noted(*given: Any) -> Loss:
                last.computed, last.given, last.model = weakref.WeakMethod(computed), given, self._model
                last.result = computed(*given)
                return last.result

            return super().__call__(noted, *given)

    @contextmanager
    def capturing(graph: Graph, pool: object) -> Iterator[None]:
        yield
        vars(graph).update(vars(last))
        graph.gradients = gradients_of(last.model)
        vars(last).clear()
        captured.append(graph)

    stream = SimpleNamespace(wait_stream=lambda other: None)
    stand_in = {
        "graph_pool_handle": lambda: (0, 0),
        "get_rng_state": lambda device: torch.get_rng_state(),
        "set_rng_state": lambda state, device: torch.set_rng_state(state),
        "Stream": lambda device: stream,
        "current_stream": lambda device: stream,
        "stream": lambda aside: nullcontext(),
        "CUDAGraph": Graph,
        "graph": capturing,
    }
    for name, value in stand_in.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr("asura.training.trainer.Replayed", Recording)
    monkeypatch.setattr(Trainer, "_is_replayed", lambda trainer: trainer.run.training.cuda_graph)
    return captured


MODELS: dict[str, tuple[str, dict[str, Any], int]] = {
    "asura": ("asura", {"n": 1, "i": 2}, 1),
    "drawn": ("asura", {"n": 1, "i": 3, "drawn": True}, 3),
    "noise": ("recurrent_depth", {"n": 1, "i": 2}, 3),
    "progressive": ("asura", {"n": 1, "i": 2, "progressive": 0.5}, 3),
    "growing": ("asura", {"n": 1, "i": 2, "growing": 0.5}, 2),
    "supervised": ("asura", {"n": 1, "i": 4, "deep_supervision": 2}, 2),
    "halting": ("universal", {"n": 1, "i": 2, "halting": "act"}, 1),
}
"""Architecture, settings, and the number of ways through the model that eight steps take."""


def trained(model: str, **training: Any) -> Trainer:
    architecture, settings, _ = MODELS[model]
    trainer = Trainer(tiny_run({"steps": 8, **training}, models={architecture: settings}), CPU)
    while not trainer.done:
        trainer.advance()
    return trainer


@pytest.mark.parametrize("model", MODELS)
def test_a_replayed_pass_is_given_all_that_a_computed_one_is(model: str, graphs: list[Graph]):
    computed, replayed = (trained(model, cuda_graph=value) for value in (False, True))
    assert len(graphs) == MODELS[model][2]
    assert computed.measure() == replayed.measure()
    weights = replayed.weights()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in computed.weights().items())


def test_what_is_drawn_for_a_capture_is_drawn_again_in_its_first_step(graphs: list[Graph]):
    computed, replayed = (trained("asura", cuda_graph=value, dropout=0.2).weights() for value in (False, True))
    assert all(torch.equal(tensor, replayed[name]) for name, tensor in computed.items())


def test_a_way_beyond_the_last_graph_is_computed(graphs: list[Graph], monkeypatch):
    monkeypatch.setattr("asura.training.replay.GRAPHS", 1)
    computed, replayed = (trained("drawn", cuda_graph=value).weights() for value in (False, True))
    assert len(graphs) == 1
    assert all(torch.equal(tensor, replayed[name]) for name, tensor in computed.items())


def test_a_model_that_waits_for_the_device_is_refused(graphs: list[Graph], monkeypatch):
    @contextmanager
    def refusing(graph: object, pool: object):
        yield
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(torch.cuda, "graph", refusing)
    with pytest.raises(UserError, match=r"asura waits for the GPU within a pass, .* leave out cuda_graph"):
        trained("asura", cuda_graph=True)


@pytest.mark.parametrize(
    ("device", "model", "training", "replayed"),
    [
        ("cuda", "asura", {}, True),
        ("cpu", "asura", {}, False),
        ("cuda", "asura", {"cuda_graph": False}, False),
        ("cuda", "asura", {"accumulate": 2}, False),
        ("cuda", "asura", {"activation_checkpointing": True}, False),
        ("cuda", "deq", {}, False),
    ],
)
def test_what_is_replayed_is_a_whole_step_on_a_gpu(device: str, model: str, training: dict[str, Any], replayed: bool):
    trainer = Trainer(tiny_run({"cuda_graph": True, **training}, models={model: {"n": 1, "i": 4}}), CPU)
    trainer.device = torch.device(device)
    assert trainer._is_replayed() == replayed
    trainer._processes = Several(0, 2)
    assert not trainer._is_replayed()


def test_a_trainer_is_gone_when_nobody_has_it(graphs: list[Graph]):
    """Without waiting for the garbage collector: a graph holds the memory of a pass."""
    gone = weakref.ref(trained("asura", cuda_graph=True)._replayed)
    graphs.clear()
    assert gone() is None


def test_on_a_cpu_the_setting_has_no_effect():
    computed, asked = (trained("asura", cuda_graph=value).weights() for value in (False, True))
    assert all(torch.equal(tensor, asked[name]) for name, tensor in computed.items())
