"""Memory of training: logits in chunks, and activation checkpointing; neither changes what is trained."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asura.models import ARCHITECTURES, build
from asura.models.model import LOGITS_AT_ONCE, Model
from asura.tasks.base import IGNORE
from tests.models.test_asura import Alive
from tests.models.test_layers import drawn, scrambled

V, D = 300, 8
EVERY = [{"architecture": name} for name in ARCHITECTURES]
DIFFERENT = [
    {"architecture": "universal", "halting": "act"},
    {"architecture": "asura", "guidance": "uniform"},
    {"architecture": "asura", "backpropagate": 2},
    {"architecture": "asura", "drawn": True, "progressive": 0.5},
    {"architecture": "ouro", "backpropagate": 2, "progressive": 0.5},
    {"architecture": "recurrent_depth", "backpropagate": 2, "progressive": 0.5},
]


def small(settings: dict[str, Any], i: int = 4) -> Model:
    iterates = ARCHITECTURES[settings["architecture"]][0].iterates()
    return build({"n": 2, "width": D, "heads": 2} | ({"i": i} if iterates else {}) | settings, V)


def loss_and_gradient(model: Model, recompute: bool = True) -> list[Tensor]:
    tokens, targets = drawn(3, 12, vocabulary=V), drawn(3, 12, vocabulary=V).flip(1)
    targets[0, :5] = IGNORE
    model.zero_grad()
    passes = model.drawn(range(3), 12, torch.Generator().manual_seed(0)) if model.draws else None
    found = model.loss(tokens, targets, z_loss=0.01, passes=passes, recompute=recompute)
    found.loss.backward()
    gradient = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    return [found.loss.detach(), found.correct, *gradient]


def limit_logits(monkeypatch, limit: int) -> None:
    monkeypatch.setattr("asura.models.model.LOGITS_AT_ONCE", limit)


@pytest.mark.parametrize("settings", EVERY + DIFFERENT, ids=str)
@pytest.mark.parametrize("limit", [1, 7 * V, 35 * V])
def test_chunks_change_neither_loss_nor_gradient(settings: dict[str, Any], limit: int, monkeypatch):
    model = scrambled(small(settings))
    limit_logits(monkeypatch, limit)
    whole, chunked = loss_and_gradient(model, recompute=False), loss_and_gradient(model)
    assert whole[0].dtype == torch.float64
    torch.testing.assert_close(chunked, whole, rtol=1e-12, atol=1e-12)


class Largest(TorchDispatchMode):
    """Notes the elements of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        self.elements = max([self.elements, *(t.numel() for t in tree_leaves(made) if isinstance(t, Tensor))])
        return made


@pytest.mark.parametrize("settings", EVERY + DIFFERENT, ids=str)
def test_no_more_logits_than_the_limit_are_ever_there(settings: dict[str, Any], monkeypatch):
    limit = 10 * V + 1
    limit_logits(monkeypatch, limit)
    with Largest() as chunked:
        loss_and_gradient(small(settings))
    with Largest() as whole:
        loss_and_gradient(small(settings), recompute=False)
    assert chunked.elements <= limit < 3 * 12 * V == whole.elements


def evaluations(part: torch.nn.Module, model: Model) -> int:
    """How often a part of the model is evaluated in a step of training."""
    calls: list[None] = []
    part.register_forward_hook(lambda *_: calls.append(None))
    loss_and_gradient(model)
    return len(calls)


@pytest.mark.parametrize(
    ("settings", "limit", "expected"),
    [
        ({"architecture": "vanilla"}, LOGITS_AT_ONCE, 1),
        ({"architecture": "asura"}, 36 * V, 1),
        ({"architecture": "asura"}, 18 * V, 2 * 2),
        ({"architecture": "asura"}, 17 * V, 3 * 2),
        ({"architecture": "asura", "guidance": "uniform"}, LOGITS_AT_ONCE, 4 * 2),
        ({"architecture": "asura", "guidance": "uniform"}, 18 * V, 4 * 2 * 2),
    ],
)
def test_the_head_is_evaluated_again_only_where_it_must(settings: dict, limit: int, expected: int, monkeypatch):
    limit_logits(monkeypatch, limit)
    model = small(settings)
    assert evaluations(model.head, model) == expected


@pytest.mark.parametrize("settings", EVERY + DIFFERENT, ids=str)
def test_activation_checkpointing_changes_no_bit_of_the_gradient(settings: dict[str, Any]):
    model = small(settings)
    kept = loss_and_gradient(model)
    model.activation_checkpointing = True
    again = loss_and_gradient(model)
    assert len(kept) == len(again) and all(torch.equal(one, other) for one, other in zip(kept, again, strict=True))


def test_iterations_with_gradient_are_evaluated_again_and_the_others_are_not():
    for backpropagate, expected in ((None, 8), (3, 7), (1, 5)):
        model = small({"architecture": "asura", "backpropagate": backpropagate})
        model.activation_checkpointing = True
        assert evaluations(model.get_submodule("blocks.0"), model) == expected


def hidden_alive(i: int, activation_checkpointing: bool) -> int:
    """The most hidden layers of the MLPs that are in memory at once."""
    model = small({"architecture": "asura"}, i)
    model.activation_checkpointing = activation_checkpointing
    tokens = drawn(3, 60, vocabulary=20)
    with Alive(3 * 60 * 4 * D) as alive:
        model.loss(tokens, tokens % 20).loss.backward()
    return alive.most


def test_activation_checkpointing_takes_the_memory_of_one_iteration():
    assert 0 < hidden_alive(2, True) == hidden_alive(8, True) < hidden_alive(8, False)
    assert hidden_alive(8, False) >= hidden_alive(2, False) + 6 * 2 * 2
