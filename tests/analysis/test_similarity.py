"""CKA against a slow version and known values, and the rows of the similarity of states."""

import math

import pytest
import torch
from torch import Tensor

import asura.analysis.subject as module
from asura.analysis.similarity import cka, similarity
from asura.analysis.states import at_most, states
from asura.analysis.subject import NotApplicable
from asura.planning.analysis_settings import Similarity
from tests.analysis.subjects import subject
from tests.models.variants import small


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_hsic(x: Tensor, y: Tensor) -> float:
    """The unbiased estimate of Song et al. (2012), from Gram matrices without their diagonals."""
    k, l = (each @ each.T for each in (x, y))  # noqa: E741 (as in the paper)
    k.fill_diagonal_(0)
    l.fill_diagonal_(0)
    n = len(x)
    total = (k @ l).trace() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ l).sum()
    return (total / (n * (n - 3))).item()


def test_cka_is_that_of_gram_matrices():
    x = drawn(20, 5)
    y = 0.5 * x @ drawn(5, 3, seed=1) + drawn(20, 3, seed=2) + 4
    slow = slow_hsic(x, y) / math.sqrt(slow_hsic(x, x) * slow_hsic(y, y))
    assert 0.1 < slow < 0.9
    assert cka(x, y) == pytest.approx(slow, rel=1e-9)


def test_neither_rotation_nor_scale_nor_shift_changes_cka():
    x, other = drawn(40, 6), drawn(40, 4, seed=1)
    turned = 3 * x @ torch.linalg.qr(drawn(6, 6, seed=2)).Q + 7
    assert cka(x, x) == pytest.approx(1)
    assert cka(x, turned) == pytest.approx(1)
    assert cka(turned, other) == pytest.approx(cka(x, other))
    assert cka(x, x * torch.tensor([5.0, 1, 1, 1, 1, 1])) < 0.95  # another linear map does


def test_independent_features_have_a_cka_around_zero_even_if_there_are_as_many_as_positions():
    found = torch.tensor([cka(drawn(64, 64, seed=seed), drawn(64, 64, seed=1000 + seed)) for seed in range(50)])
    assert abs(found.mean()) < 0.02
    assert (found < 0).any()


def test_constant_features_are_like_nothing():
    assert math.isnan(cka(drawn(9, 3), torch.ones(9, 3)))


def values(rows: list[dict], other: str) -> dict[tuple[int, int], float]:
    return {(row["t"], row[other]): row["cka"] for row in rows}


@pytest.mark.parametrize("architecture", ["asura", "parcae", "trm", "vanilla"])
def test_every_two_places_of_a_model_are_compared(architecture: str):
    found = similarity(subject(small(architecture=architecture)), Similarity())
    own = values(found["similarity"], "other")
    places = range(2 if architecture == "vanilla" else 5)
    assert list(own) == [(t, other) for t in places for other in places]
    assert all(own[t, t] == pytest.approx(1) for t in places)
    assert all(own[t, other] == pytest.approx(own[other, t]) for t, other in own)
    assert all(own[t, 0] < 0.999 for t in places if t)
    assert set(found) == {"similarity"}


def test_iterations_are_compared_with_the_blocks_of_the_stack():
    stack = small(architecture="vanilla", n=3).eval()
    found = similarity(subject(small(architecture="asura"))._replace(stack=stack), Similarity())
    beside = values(found["similarity_stack"], "block")
    assert list(beside) == [(t, block) for t in range(5) for block in range(4)]
    itself = similarity(subject(stack)._replace(stack=stack), Similarity())
    assert values(itself["similarity_stack"], "block") == values(itself["similarity"], "other")


def test_states_stand_in_the_order_of_the_asked_positions(monkeypatch: pytest.MonkeyPatch):
    own = subject(small(architecture="asura"))
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 5000)  # several parts
    found = states(own, own.model)
    with torch.no_grad():
        whole = [own.model.embed(own.batch.tokens), *own.model.states(own.batch.tokens)]
    assert torch.allclose(found, torch.stack([each[own.asked] for each in whole]), atol=1e-5)


def test_no_more_positions_are_compared_than_allowed():
    own = subject(small(architecture="asura"))
    fewer = at_most(own, 7)
    assert fewer.asked.sum() == 7 < own.asked.sum()
    assert torch.equal(fewer.batch.targets[fewer.asked], own.batch.targets[fewer.asked])
    assert torch.equal(at_most(own, 4096).batch.targets, own.batch.targets)
    assert torch.equal(at_most(subject(small(architecture="bare")), 7).asked, fewer.asked)


def test_three_positions_are_too_few():
    own = subject(small(architecture="asura"))
    with pytest.raises(NotApplicable, match="3 positions are asked"):
        similarity(at_most(own, 3), Similarity())
    assert similarity(at_most(own, 4), Similarity())
