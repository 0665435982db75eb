from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asura.models import build
from asura.models.asura import AsuraFullSettings, AsuraSettings
from asura.models.vanilla import VanillaSettings
from tests.models.test_layers import drawn, scrambled, slow_norm
from tests.models.test_vanilla import slow_loss

SKIPS = ["none", "add", "concat", "concat_per_iteration"]
NORMS = ["none", "shared", "per_iteration"]


def small(kind: type[AsuraSettings] = AsuraSettings, **changes: Any) -> AsuraSettings:
    return kind(**{"n": 2, "i": 3, "width": 8, "heads": 2} | changes)


def states_by_the_equations(model: Any, tokens: Tensor, iterations: int) -> Iterator[Tensor]:
    given, width = model.settings, model.settings.width
    e = model.embed(tokens)
    z = e
    for t in range(iterations):
        last = min(t, given.i - 1)
        u = z
        if given.long_skip == "add":
            u = z + e
        elif given.long_skip != "none":
            weight = model.long_skips[last if given.long_skip == "concat_per_iteration" else 0].weight
            u = z @ weight[:, :width].T + e @ weight[:, width:].T
        for b, block in enumerate(model.blocks):
            h = slow_norm(u, block.attention_norm)
            own = None if given.adapter == "none" else model.adapters[last][b]
            u = u + block.attention(h) + (own["attention"](h) if own else 0)
            h = slow_norm(u, block.mlp_norm)
            u = u + block.mlp(h) + (own["mlp"](h) if own else 0)
            if given.block_norm == "per_iteration":
                u = slow_norm(u, model.block_norms[last])
        z = u
        if given.iteration_norm != "none":
            z = slow_norm(u, model.iteration_norms[last if given.iteration_norm == "per_iteration" else 0])
        yield z


@pytest.mark.parametrize("long_skip", SKIPS)
@pytest.mark.parametrize("iteration_norm", NORMS)
@settings(deadline=None, max_examples=12)
@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from(["none", "per_iteration"]),
    st.sampled_from(["none", "lora", "abba"]),
    st.integers(1, 6),
)
def test_states_follow_the_equations_within_and_beyond_training(
    long_skip: str, iteration_norm: str, n: int, i: int, block_norm: str, adapter: str, iterations: int
):
    shape: dict[str, Any] = {"n": n, "i": i, "long_skip": long_skip, "iteration_norm": iteration_norm}
    model: Any = scrambled(build(small(**shape, block_norm=block_norm, adapter=adapter), vocabulary=7))
    states = list(model.states(drawn(2, 5), iterations))
    expected = list(states_by_the_equations(model, drawn(2, 5), iterations))
    torch.testing.assert_close(states, expected)
    weights = [model.embedding.weight, *model.blocks.parameters()]
    gradients = (torch.autograd.grad(some[-1].cos().sum(), weights) for some in (states, expected))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("long_skip", ["concat", "concat_per_iteration"])
def test_a_concat_skip_starts_by_passing_the_state_through(long_skip: str):
    model: Any = build(small(long_skip=long_skip), 7)
    plain = build(small(long_skip="none"), 7, seed=1)
    plain.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(model(drawn(2, 5), 6), plain(drawn(2, 5), 6))
    assert len(model.long_skips) == (1 if long_skip == "concat" else 3)


def test_a_random_skip_starts_within_its_bound_and_follows_from_the_seed():
    models: list[Any] = [build(small(skip_init="random", width=32), 7, seed) for seed in (0, 0, 1)]
    one, same, other = (model.long_skips for model in models)
    assert 0.99 < one[0].weight.abs().max() * 64**0.5 <= 1
    assert torch.equal(one[0].weight, same[0].weight) and not torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, one[1].weight)


def test_bare_recursion_once_is_vanilla():
    model = scrambled(build(small(n=3, i=1, long_skip="none", iteration_norm="none"), 7))
    vanilla = build(VanillaSettings(n=3, width=8, heads=2), 7, seed=1).double()
    vanilla.load_state_dict(model.state_dict())
    assert torch.equal(model(drawn(2, 5)), vanilla(drawn(2, 5)))


def test_presets_are_the_statement_and_all_parts_of_the_page():
    names = ("long_skip", "skip_init", "iteration_norm", "block_norm", "adapter", "guidance")
    statement, recipe = ([getattr(small(kind), name) for name in names] for kind in (AsuraSettings, AsuraFullSettings))
    shared = ["concat_per_iteration", "pass_through", "per_iteration"]
    assert statement == [*shared, "none", "none", "none"]
    assert recipe == [*shared, "per_iteration", "abba", "progressive"]


@pytest.mark.parametrize(
    ("i", "guidance", "weights"),
    [
        (3, "none", (0, 0, 1)),
        (4, "uniform", (0.25, 0.25, 0.25, 0.25)),
        (3, "progressive", (0.2, 0.3, 0.5)),
        (1, "progressive", (1,)),
        (4, "progressive", (2 / 18, 3 / 18, 5 / 18, 8 / 18)),
        (3, [0, 0.4, 0.6], (0, 0.4, 0.6)),
    ],
)
def test_guidance_weights(i: int, guidance: Any, weights: tuple[float, ...]):
    model = build(small(i=i, guidance=guidance), 7, device="meta")
    assert model.guidance_weights(model.settings.i) == pytest.approx(weights)


@pytest.mark.parametrize("name", ["none", "uniform", "progressive"])
@settings(deadline=None, max_examples=20)
@given(st.integers(1, 64))
def test_named_guidance_keeps_the_rules_of_explicit_guidance(name: str, i: int):
    weights = build(small(i=i, guidance=name), 7, device="meta").guidance_weights(i)
    assert small(i=i, guidance=weights).guidance == weights


@pytest.mark.parametrize(
    ("guidance", "message"),
    [
        ((0.5, 0.5), "2 weights for 3 iterations"),
        ((0.2, 0.3, 0.4), "sum to 1"),
        ((0.5, 0.3, 0.2), "not fall"),
        ((-0.2, 0.2, 1.0), "at least 0"),
        ((float("nan"),) * 3, "sum to 1"),
        ((), "0 weights"),
        ("quadratic", "guidance"),
    ],
)
def test_guidance_that_does_not_fit_is_refused(guidance: Any, message: str):
    with pytest.raises(ValidationError, match=message):
        small(guidance=guidance)


@pytest.mark.parametrize("recompute", [True, False])
@pytest.mark.parametrize("guidance", ["none", "uniform", "progressive", (0, 0.25, 0.75)])
def test_the_loss_is_the_weighted_sum_of_the_iterations(guidance: Any, recompute: bool):
    model = scrambled(build(small(guidance=guidance), 7))
    tokens, targets = drawn(2, 6), drawn(2, 6).flip(1)
    targets[:, :2] = -100
    losses = [slow_loss(model.logits(state), targets, z_loss=0.01) for state in model.states(tokens)]
    weights = {"none": (0, 0, 1), "uniform": (1 / 3,) * 3, "progressive": (0.2, 0.3, 0.5)}.get(guidance, guidance)
    loss, correct, *_ = model.loss(tokens, targets, z_loss=0.01, recompute=recompute)
    assert loss.item() == pytest.approx(sum(w * part for w, part in zip(weights, losses, strict=True)), rel=1e-5)
    assert correct == (model(tokens).argmax(-1) == targets).sum()


def test_recomputing_changes_no_loss_and_no_gradient():
    model = scrambled(build(small(AsuraFullSettings), 7))
    found = []
    for recompute in (True, False):
        loss = model.loss(drawn(2, 6), drawn(2, 6), z_loss=0.01, recompute=recompute).loss
        found.append((loss, *torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(*found)


class Alive(TorchDispatchMode):
    """Notes the most tensors of at least `size` elements that were in memory at once."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.most = size, 0
        self.seen: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.numel() >= self.size:
                storage = StorageWeakRef(tensor.untyped_storage())
                self.seen[storage.cdata] = storage
        self.seen = {key: storage for key, storage in self.seen.items() if not storage.expired()}
        self.most = max(self.most, len(self.seen))
        return made


def logits_alive(i: int, recompute: bool) -> int:
    vocabulary = 300
    model = build(small(n=1, i=i, guidance="uniform"), vocabulary)
    tokens = drawn(2, 6, vocabulary=vocabulary)
    with Alive(2 * 6 * vocabulary) as alive:
        model.loss(tokens, tokens, z_loss=0.1, recompute=recompute).loss.backward()
    return alive.most


def test_guidance_of_any_number_of_iterations_takes_the_memory_of_one():
    assert 0 < logits_alive(2, recompute=True) == logits_alive(8, recompute=True)
    assert logits_alive(8, recompute=False) >= logits_alive(2, recompute=False) + 6
