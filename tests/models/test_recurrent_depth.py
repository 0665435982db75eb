from typing import Any

import torch

from asura.models import build

SMALL = {"architecture": "recurrent_depth", "n": 1, "i": 4, "width": 8, "heads": 2}
TOKENS = torch.randint(5, (64, 6), generator=torch.Generator().manual_seed(0))


def test_it_starts_from_noise_that_the_generator_draws():
    model = build(SMALL, 5)

    def start(seed: int) -> torch.Tensor:
        return model.start(TOKENS, model.noise(64, 6, torch.Generator().manual_seed(seed)))[0]

    one, again, other = map(start, (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert abs(one.std().item() - (2 / 5) ** 0.5) < 0.03
    assert torch.equal(model.start(TOKENS)[0], model.start(TOKENS)[0])


def test_the_parts_of_a_batch_start_from_the_noise_of_the_whole():
    (whole,) = build(SMALL, 5).drawn(6, 3, torch.Generator().manual_seed(0))
    parts = [whole.part(place, 3) for place in range(3)]
    assert whole.noise is not None and whole.noise.shape == (6, 3, 8)
    assert torch.equal(torch.cat([part.noise for part in parts if part.noise is not None]), whole.noise)
    assert {part[:3] for part in parts} == {whole[:3]}


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
