"""What `compile: true` compiles, counted with a backend that compiles nothing."""

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch._dynamo.utils import counters

from asura.training.devices import prepare
from asura.training.trainer import Trainer
from tests.conftest import tiny_run

ALIKE: list[dict] = [
    {"asura": {"n": 1, "i": 3}},
    {"vanilla": {"n": 2}},
    {"bare": {"n": 2, "i": 2}},
    {"ouro": {"n": 1, "i": 3}},
    {"universal": {"n": 1, "i": 3, "halting": "act"}},
    {"asura": {"n": 1, "i": 3, "drawn": True}},
]
"""Models whose blocks are one shape, and always see a gradient."""
CUT: list[dict] = [
    {"asura": {"n": 1, "i": 4, "drawn": True, "backpropagate": 1, "progressive": 0.5}},
    {"deep_thinking": {"n": 1, "i": 4}},
    {"parcae": {"n": 1, "i": 6}},
    {"recurrent_depth": {"n": 1, "i": 4}},
    {"trm": {"n": 1, "i": 4}},
]
"""Models of which some iterations see no gradient."""


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.fx.GraphModule]]:
    """The graphs that are compiled, from nothing."""
    found: list[torch.fx.GraphModule] = []

    def count(module: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        found.append(module)
        return module

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=count))
    torch.compiler.reset()
    counters.clear()
    yield found
    torch.compiler.reset()


def train(models: dict, **training: object) -> None:
    prepare(1, compiles=True)
    trainer = Trainer(tiny_run({"compile": True, **training}, models=models), torch.device("cpu"))
    while not trainer.done:
        trainer.advance()
    assert not counters["graph_break"]


def test_one_graph_serves_all_models_of_a_process_whatever_they_draw(graphs: list[torch.fx.GraphModule]):
    for models in ALIKE:
        train(models)
    assert len(graphs) == 1


@pytest.mark.parametrize("models", CUT, ids=lambda models: next(iter(models)))
def test_a_block_without_gradient_is_another_graph_and_no_number_of_iterations_is(
    models: dict, graphs: list[torch.fx.GraphModule]
):
    train(models)
    assert 2 <= len(graphs) <= 4  # with and without gradient, of a state with and without
    before = len(graphs)
    train(models, accumulate=1)
    assert len(graphs) == before


@pytest.mark.parametrize("models", [{"ndr": {"n": 2, "i": 2}}, {"deq": {"n": 1, "i": 4}}], ids=str)
def test_no_block_of_any_architecture_breaks_its_graph(models: dict, graphs: list[torch.fx.GraphModule]):
    train(models)
    assert graphs


def test_adapters_are_compiled_once_for_all_iterations(graphs: list[torch.fx.GraphModule]):
    train({"asura_full": {"n": 1, "i": 4}})
    assert len(graphs) == 1
