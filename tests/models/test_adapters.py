from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asura.models import build
from asura.models.adapters import ABBA, LoRA
from asura.models.asura import AsuraSettings
from tests.models.test_layers import drawn


class Recorded(TorchDispatchMode):
    """Notes the shape of every tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[torch.Size] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        self.shapes += [tensor.shape for tensor in tree_leaves(made) if isinstance(tensor, Tensor)]
        return made


def product(adapter: LoRA | ABBA) -> Tensor:
    """The d×d map, formed."""
    if isinstance(adapter, LoRA):
        return adapter.b.weight @ adapter.a.weight
    one, two = adapter.b1.weight @ adapter.a1.weight, adapter.b2.weight @ adapter.a2.weight
    ranks = adapter.a1.out_features * adapter.a2.out_features
    return one * two / sqrt(ranks)


def random(adapter: nn.Module) -> Any:
    generator = torch.Generator().manual_seed(0)
    for parameter in adapter.double().parameters():
        nn.init.normal_(parameter, generator=generator)
    return adapter


@pytest.mark.parametrize(
    ("kind", "ranks"), [(LoRA, (1,)), (LoRA, (3,)), (ABBA, (1, 1)), (ABBA, (2, 3)), (ABBA, (5, 2))]
)
def test_outputs_and_gradients_are_those_of_the_formed_product(kind: Any, ranks: tuple[int, ...]):
    adapter = random(kind(10, *ranks))
    x, y = torch.randn(2, 2, 4, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_()
    out, expected = adapter(x), x @ product(adapter).T
    torch.testing.assert_close(out, expected)
    inputs = [x, *adapter.parameters()]
    torch.testing.assert_close(torch.autograd.grad(out, inputs, y), torch.autograd.grad(expected, inputs, y))


def test_an_abba_map_worked_by_hand():
    adapter = ABBA(2, 1, 4)
    values = {"a1": [[1, 2]], "b1": [[1], [3]], "a2": [[1, 0]] * 4, "b2": [[1] * 4, [2] * 4]}
    adapter.load_state_dict({f"{name}.weight": torch.tensor(value).float() for name, value in values.items()})
    # [[1, 2], [3, 6]] ⊙ [[4, 0], [8, 0]] / sqrt(4) = [[2, 0], [12, 0]]
    assert adapter(torch.tensor([5.0, 7.0])).tolist() == [10.0, 60.0]


def test_abba_reaches_the_product_of_its_ranks():
    assert torch.linalg.matrix_rank(random(ABBA(10, 2, 3))(torch.eye(10, dtype=torch.float64))) == 6


def test_abba_never_forms_the_product():
    width = 40
    adapter, x = random(ABBA(width, 2, 3)), torch.randn(2, 3, width, dtype=torch.float64, requires_grad=True)
    with Recorded() as formed:
        product(adapter)
    assert max(shape.numel() for shape in formed.shapes) == width * width
    with Recorded() as recorded:
        adapter(x).sum().backward()
    assert torch.Size([2, 3, width]) in recorded.shapes
    assert max(shape.numel() for shape in recorded.shapes) <= 2 * 3 * width < width * width


@pytest.mark.parametrize("adapter", ["lora", "abba"])
def test_a_model_starts_as_it_would_without_adapters(adapter: str):
    settings = AsuraSettings(n=2, i=3, width=8, heads=2, adapter=adapter)
    model: Any = build(settings, 7)
    plain = build(settings.model_copy(update={"adapter": "none"}), 7, seed=1)
    plain.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(model(drawn(2, 5)), plain(drawn(2, 5)))
    for iteration in model.adapters:
        for block in iteration:
            last = {place: part.b if adapter == "lora" else part.b1 for place, part in block.items()}
            nn.init.ones_(last["mlp"].weight)
            assert not torch.equal(model(drawn(2, 5)), plain(drawn(2, 5)))
            nn.init.zeros_(last["mlp"].weight)
            nn.init.ones_(last["attention"].weight)
            assert not torch.equal(model(drawn(2, 5)), plain(drawn(2, 5)))
            nn.init.zeros_(last["attention"].weight)


@pytest.mark.parametrize("bias", [False, True])
def test_a_lora_adapter_starts_at_zero_or_at_random(bias: bool):
    def adapter(start: Any) -> Any:
        settings = AsuraSettings(width=8, heads=2, adapter="lora", adapter_init=start, bias=bias, init="small")
        return build(settings, 7).get_submodule("adapters.0.0.mlp")

    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    assert not adapter("zero")(x).any() and adapter("random")(x).all()
    assert torch.equal(adapter("zero").a.weight, adapter("random").a.weight)


def test_an_abba_adapter_starts_at_zero_or_at_random():
    def start(name: Any) -> Any:
        settings = AsuraSettings(width=8, heads=2, adapter="abba", adapter_init=name)
        return build(settings, 7).get_submodule("adapters.0.0.mlp.b1").weight

    assert not start("zero").any() and start("random").all()


@pytest.mark.parametrize(("adapter", "each"), [("lora", 2 * 3 * 8), ("abba", 2 * 3 * 8 + 2 * 5 * 8)])
def test_each_block_has_its_own_adapters_at_each_iteration(adapter: str, each: int):
    settings = AsuraSettings(n=2, i=4, width=8, heads=2, adapter=adapter, adapter_rank=3, adapter_second_rank=5)
    model: Any = build(settings, 7)
    assert sum(parameter.numel() for parameter in model.adapters.parameters()) == 4 * 2 * 2 * each
    parts = [part for iteration in model.adapters for block in iteration for part in block.values()]
    starts = [part.a.weight if adapter == "lora" else part.a1.weight for part in parts]
    assert torch.stack(starts).flatten(1).unique(dim=0).shape[0] == 16
