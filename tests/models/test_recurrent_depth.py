from typing import Any

import pytest
import torch

from asura.models import build
from asura.models.unrolling import Unrolling
from tests.models.test_layers import scrambled

SMALL = {"architecture": "recurrent_depth", "n": 1, "i": 4, "width": 8, "heads": 2}
TOKENS = torch.randint(5, (64, 6), generator=torch.Generator().manual_seed(0))


def test_it_starts_from_noise_that_the_generator_draws():
    model = build(SMALL, 5)

    def start(seed: int) -> torch.Tensor:
        return model.start(TOKENS, model.noise(range(64), 6, torch.Generator().manual_seed(seed)))[0]

    one, again, other = map(start, (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert abs(one.std().item() - (2 / 5) ** 0.5) < 0.03
    assert torch.equal(model.start(TOKENS)[0], model.start(TOKENS)[0])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_rows_start_from_the_same_noise_whichever_others_a_process_has(size: int):
    model = build(SMALL | {"progressive": 0.5}, 5)

    def passes(rows: range) -> list[Unrolling]:
        return model.drawn(rows, 3, torch.Generator().manual_seed(0))

    for k, whole in enumerate(passes(range(6))):
        parts = [passes(range(first, first + size))[k] for first in range(0, 6, size)]
        assert whole.noise is not None and whole.noise.shape == (6, 3, 8)
        assert torch.equal(torch.cat([part.noise for part in parts if part.noise is not None]), whole.noise)
        assert {part[:3] for part in parts} == {whole[:3]}
        assert whole.noise.flatten(1).unique(dim=0).shape == (6, 24)
    first, second = (unrolling.noise for unrolling in passes(range(6)))
    assert first is not None and second is not None and not torch.equal(first, second)


def test_the_mean_of_the_iterations_is_one_more_than_i_as_published():
    for drawn_i, mean in (("rate", 5), ("mean", 4)):
        model, generator = build(SMALL | {"drawn_i": drawn_i}, 5), torch.Generator().manual_seed(0)
        drawn = torch.tensor([float(model.unrollings(generator)[0].iterations) for _ in range(4000)])
        error = ((mean - 1 + (mean - 1) ** 2 * (torch.e**0.25 - 1)) / 4000) ** 0.5
        assert drawn.mean().item() == pytest.approx(mean, abs=4 * error) and drawn.min() == 1


def test_prelude_core_and_coda_are_applied_in_that_order():
    model: Any = build(SMALL | {"prelude": 2, "coda": 1}, 5)
    assert len(model.prelude) == 2 and len(model.coda) == 1
    with torch.no_grad():
        z, e = model.start(TOKENS)
        assert torch.equal(e, model.prelude(model.embed(TOKENS)))
        for _ in range(4):
            z = model.core_norm(model.core(model.adapter(z, e)))
        assert torch.allclose(model(TOKENS), model.logits(model.coda(z)))
    assert model.settings.effective_depth == 2 + 4 + 1


def test_only_the_last_iterations_receive_gradient():
    model = build(SMALL | {"i": 12}, 5)
    (unrolling,) = model.unrollings()
    assert unrolling.iterations - unrolling.without_gradient == 8
    states = list(model.trajectory(TOKENS, unrolling.iterations, unrolling.without_gradient))
    assert [state[0].requires_grad for state in states] == [False] * 4 + [True] * 8


def test_a_sequence_is_answered_alike_alone_in_a_batch_and_before_padding():
    model = build({"architecture": "recurrent_depth", "n": 1, "i": 3, "width": 16, "heads": 2}, 7).eval()
    tokens = torch.arange(24).view(3, 8) % 7
    with torch.no_grad():
        together = model(tokens)
        for row, alone in zip(together, tokens, strict=True):
            torch.testing.assert_close(model(alone[None])[0], row)
            torch.testing.assert_close(model(alone[None, :5])[0], row[:5])


@torch.no_grad()
def test_blocks_can_be_the_published_ones():
    model: Any = build(SMALL | {"i": 1, "norms": "sandwich", "mlp": "gated_silu"}, 5)
    scrambled(model)
    block, x = model.core[0], torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0)).double()
    a = block.after_attention(x + block.attention(block.attention_norm(x)))
    h = block.mlp_norm(a)
    gate, value = h @ block.mlp.up.weight[:32].T, h @ block.mlp.up.weight[32:].T
    expected = block.after_mlp(a + (gate / (1 + (-gate).exp()) * value) @ block.mlp.down.weight.T)
    assert torch.allclose(block(x), expected)
    assert {type(block) for part in (model.prelude, model.coda) for block in part} == {type(model.core[0])}


def test_truncation_cuts_the_gradient_of_noise_prelude_and_core():
    model: Any = build(SMALL | {"i": 5, "backpropagate": 2}, 5)
    noise = model.noise(range(64), 6, torch.Generator().manual_seed(0)).requires_grad_()
    targets = TOKENS.roll(1, 1)
    model.loss(TOKENS, targets, passes=[Unrolling(1.0, 5, 3, noise)]).loss.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    assert noise.grad is None
    model.zero_grad()
    e = model.prelude(model.embed(TOKENS))
    z = noise.detach()
    for t in range(5):
        z = model.core_norm(model.core(model.adapter(z, e)))
        z = z.detach() if t < 3 else z
    logits = model.logits(model.coda(z))
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").backward()
    for name, parameter in model.named_parameters():
        assert torch.allclose(found[name], parameter.grad, atol=1e-4), name
    model.zero_grad()
    model.loss(TOKENS, targets, passes=[Unrolling(1.0, 5, 0, noise)]).loss.backward()
    assert noise.grad is not None
    whole = model.prelude[0].mlp.up.weight.grad
    assert not torch.allclose(found["prelude.0.mlp.up.weight"], whole, atol=1e-2)
