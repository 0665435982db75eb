import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.base import IGNORE
from asura.tasks.phop import PHop


def answers_by_definition(tokens: list[int], hops: int) -> list[int]:
    answers = []
    for position in range(len(tokens)):
        at: int | None = position
        for _ in range(hops):
            if at is not None:
                earlier = [s for s in range(at) if tokens[s] == tokens[at]]
                at = earlier[-1] + 1 if earlier else None
        answers.append(IGNORE if at is None else tokens[at])
    return answers


settings = st.builds(
    PHop,
    hops=st.integers(1, 6),
    alphabet=st.integers(2, 6),
    length=st.integers(2, 40),
    supervision=st.just("dense"),
)


@given(settings, st.integers(0, 2**32))
def test_answers_follow_the_definition(task: PHop, seed: int):
    tokens, targets = task.draw(3, torch.Generator().manual_seed(seed))
    for row, answers in zip(tokens.tolist(), targets.tolist(), strict=True):
        assert answers == answers_by_definition(row, task.hops)


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        # position     0  1  2  3  4  5  6  7
        # token        0  1  0  2  1  0  0  2
        # hop          -  -  1  -  2  3  6  4
        (1, [IGNORE, IGNORE, 1, IGNORE, 0, 2, 0, 1]),
        (2, [IGNORE, IGNORE, IGNORE, IGNORE, 1, IGNORE, 0, 0]),
        (3, [IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, 0, 1]),
        (4, [IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, 0, IGNORE]),
    ],
)
def test_a_sequence_worked_by_hand(hops: int, expected: list[int]):
    task = PHop(hops=hops, alphabet=3, length=8)
    assert task.answers(torch.tensor([[0, 1, 0, 2, 1, 0, 0, 2]])).tolist() == [expected]


def test_last_asks_what_dense_asks_at_the_last_position():
    dense = PHop().draw(500, torch.Generator().manual_seed(0))
    last = PHop(supervision="last").draw(500, torch.Generator().manual_seed(0))
    assert torch.equal(last.tokens, dense.tokens)
    assert torch.equal(last.targets[:, -1], dense.targets[:, -1])
    assert (last.targets[:, :-1] == IGNORE).all()
    assert (last.targets[:, -1] != IGNORE).any() and (last.targets[:, -1] == IGNORE).any()


def test_tokens_are_uniform_over_the_alphabet():
    tokens = PHop(alphabet=5).draw(4000, torch.Generator().manual_seed(0)).tokens
    frequencies = torch.bincount(tokens.flatten(), minlength=5) / tokens.numel()
    assert torch.allclose(frequencies, torch.full((5,), 0.2), atol=0.006)  # five standard errors


def test_splits():
    splits = PHop(hops=2, length=10, supervision="last").splits
    assert list(splits) == ["validation", "test", "more_hops", "longer"]
    assert splits["more_hops"] == PHop(hops=3, length=10, supervision="last", part="test")
    assert splits["longer"] == PHop(hops=2, length=20, supervision="last", part="test")


def test_show():
    tokens = torch.tensor([0, 1, 0, 2])
    assert PHop().show(tokens, torch.tensor([IGNORE, IGNORE, 1, IGNORE])) == "0 1 0 2 -> _ _ 1 _"


@pytest.mark.parametrize("bad", [{"hops": 0}, {"alphabet": 1}, {"length": 1}, {"supervision": "first"}, {"hop": 1}])
def test_bad_settings_are_refused(bad: dict):
    with pytest.raises(ValidationError, match=next(iter(bad))):
        PHop(**bad)
