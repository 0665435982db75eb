"""What every architecture shares: iterations drawn, gradient truncated, the progressive loss."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from asura.models import ARCHITECTURES, build
from asura.models.unrolling import Unrolling, draw_iterations
from asura.tasks.base import IGNORE

RECURSIVE = [name for name, (settings, _) in ARCHITECTURES.items() if settings.iterates()]
UNROLLED = [name for name in RECURSIVE if name != "deq"]  # whose iterations are not a solver's
V, T = 5, 9


def small(name: str, **settings: object):
    size = {"architecture": name, "n": 1, "width": 8, "heads": 2}
    return build(size | ({"i": 4} if name in RECURSIVE else {}) | settings, V)


def tokens(count: int = 3) -> torch.Tensor:
    return torch.randint(V, (count, T), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", UNROLLED)
def test_no_gradient_flows_through_the_iterations_without(name: str):
    model = small(name)
    states = list(model.trajectory(tokens(), 4, without_gradient=2))
    assert not states[1][0].requires_grad and states[3][0].requires_grad
    plain = list(model.trajectory(tokens(), 4))
    assert torch.equal(states[3][0], plain[3][0])
    model.read(states[3]).sum().backward()
    detached = model.start(tokens())
    for t in (1, 2):
        detached = model.iterate(detached, t)
    state = (*(part.detach() for part in detached[: model.carries]), *detached[model.carries :])
    for t in (3, 4):
        state = model.iterate(state, t)
    truncated = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if _has(parameter)}
    model.zero_grad()
    model.read(state).sum().backward()
    for name_, gradient in truncated.items():
        if name_.startswith(("blocks", "core", "routers", "level", "low", "high")) and "act" not in name:
            assert torch.allclose(dict(model.named_parameters())[name_].grad, gradient, atol=1e-5), name_


def _has(parameter: torch.nn.Parameter) -> bool:
    return parameter.grad is not None


@pytest.mark.parametrize("name", UNROLLED)
def test_the_progressive_loss_is_mixed_in_by_alpha(name: str):
    model = small(name, progressive=0.25, drawn=False, backpropagate=None)
    targets = tokens().roll(1, 1)
    full, progressive = model.unrollings(torch.Generator().manual_seed(3))
    assert full == Unrolling(0.75, 4) and progressive.share == 0.25
    passes = model.drawn(range(3), T, torch.Generator().manual_seed(3))
    assert [unrolling[:3] for unrolling in passes] == [full[:3], progressive[:3]]
    found = model.loss(tokens(), targets, passes=passes).loss
    parts = [model.loss_of(unrolling, tokens(), targets).loss for unrolling in passes]
    assert torch.allclose(found, 0.75 * parts[0] + 0.25 * parts[1])


def test_alpha_0_is_the_plain_loss_and_alpha_1_the_progressive_alone():
    targets = tokens().roll(1, 1)
    plain = small("deep_thinking", progressive=0.0)
    logits = plain(tokens())
    expected = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    assert torch.allclose(
        plain.loss(tokens(), targets, passes=plain.drawn(range(3), T, torch.Generator())).loss, expected
    )
    (only,) = small("deep_thinking").unrollings(torch.Generator().manual_seed(0))
    assert only.share == 1.0


def test_progressive_iterations_are_drawn_as_published():
    model = small("deep_thinking", i=5)
    generator = torch.Generator().manual_seed(0)
    drawn = [model.unrollings(generator)[0] for _ in range(4000)]
    before = torch.tensor([unrolling.without_gradient for unrolling in drawn])
    after = torch.tensor([unrolling.iterations for unrolling in drawn]) - before
    assert before.unique().tolist() == [0, 1, 2, 3, 4]
    assert torch.bincount(before).min() > 700  # 800 expected; five standard errors are 126
    for n in range(5):
        assert after[before == n].min() == 1 and after[before == n].max() == 5 - n
    assert after.double().mean().item() == pytest.approx((5 + 3) / 4, abs=0.1)


@pytest.mark.parametrize("mean", [1, 2, 4, 32])
def test_drawn_iterations_have_their_mean_and_are_at_least_one(mean: int):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([float(draw_iterations(mean, generator)) for _ in range(20000)])
    rate = mean - 1  # of a Poisson number with a log-normal rate: variance m + m² (exp(1/4) - 1)
    error = ((rate + rate**2 * (torch.e**0.25 - 1)) / 20000) ** 0.5
    assert drawn.min() >= 1
    assert drawn.mean().item() == pytest.approx(mean, abs=5 * error + 1e-9)


def test_drawn_iterations_are_truncated_to_the_last():
    model = small("asura", drawn=True, backpropagate=2)
    drawn = [model.unrollings(torch.Generator().manual_seed(seed))[0] for seed in range(200)]
    assert len({unrolling.iterations for unrolling in drawn}) > 4
    assert all(u.iterations - u.without_gradient == min(2, u.iterations) for u in drawn)
    assert model.unrollings() == [Unrolling(1.0, 4, 2)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_learned_positions_and_none(name: str):
    learned = small(name, positions="learned")
    assert learned.positions.weight.shape == (2048, 8)
    with torch.no_grad():
        shuffled = torch.arange(T).roll(1)
        same = torch.full((1, T), 2)
        none = small(name, positions="none", causal=False).eval()
        if name not in ("universal", "ndr", "recurrent_depth"):  # these know positions in other ways
            out = none(tokens())[:, shuffled]
            assert torch.allclose(none(tokens()[:, shuffled]), out, atol=1e-4)
        assert not torch.allclose(learned(same)[:, 0], learned(same)[:, 1], atol=1e-4)
