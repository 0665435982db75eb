import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asura.tasks.base import IGNORE, Batch
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


def told(announcement: list[int], alphabet: int) -> int:
    return int("".join(str(token - alphabet) for token in announcement))


planted = st.builds(
    lambda hops, alphabet, room, fewest: PHop(
        hops=hops,
        alphabet=alphabet,
        length=2 * hops + 3 + room,
        supervision="planted",
        fewest_hops=min(fewest, hops) or None,
    ),
    st.integers(1, 12),
    st.integers(2, 6),
    st.integers(0, 20),
    st.integers(0, 12),
)


@given(planted, st.integers(0, 2**32))
def test_a_planted_chain_leads_from_the_last_position(task: PHop, seed: int):
    for split in task.splits.values():
        tokens, targets = split.generate(5, torch.Generator().manual_seed(seed))
        assert (targets[:, :-1] == IGNORE).all() and (targets[:, -1] != IGNORE).all()
        for row, answers in zip(tokens.tolist(), targets.tolist(), strict=True):
            hops = split.hops if task.fewest_hops is None else told(row[:3], task.alphabet)
            said = row if task.fewest_hops is None else row[3:]
            assert len(said) == split.length and set(said) <= set(range(task.alphabet))
            assert answers[-1] == answers_by_definition(said, hops)[-1]


def test_a_planted_chain_is_spread_and_its_start_a_fixed_point_as_often_as_in_a_random_sequence():
    task = PHop(hops=16, length=256, supervision="planted")
    batch = task.draw(4000, torch.Generator().manual_seed(0))
    shares = task.shares(batch)
    assert shares == {"fixed points": pytest.approx(0.25, abs=0.035)}  # five standard errors
    tokens = batch.tokens
    moving = tokens[tokens[:, -2] != tokens[:, -1]]
    hop = task._hop(moving)
    place = torch.full((len(moving), 1), 255)
    stops = []
    for _ in range(16):
        place = hop.gather(1, place)
        stops.append(place[:, 0].float().mean().item())
    # 16 pairs take 32 of the 255 places before the last; the 17 gaps share the others.
    expected = [255 - k * (255 - 32) / 17 - 2 * (k - 1) - 1 for k in range(1, 17)]
    assert stops == pytest.approx(expected, abs=4)
    for position in (0, 100, 255):
        frequencies = torch.bincount(tokens[:, position], minlength=4) / 4000
        assert (frequencies - 0.25).abs().max() < 0.035


def test_the_share_of_fixed_points_is_that_of_asked_positions_with_the_token_before():
    task = PHop(hops=1, alphabet=3, length=8)
    tokens = torch.tensor([[0, 1, 0, 2, 1, 0, 0, 2]])  # asked at 2, 4, 5, 6 and 7; only 6 leads to itself
    assert task.shares(Batch(tokens, task.answers(tokens))) == {"fixed points": 0.2}


@given(st.integers(1, 6), st.integers(0, 5), st.sampled_from(["dense", "last"]), st.integers(0, 2**32))
def test_announced_hops_are_those_that_are_asked(fewest: int, further: int, supervision: str, seed: int):
    task = PHop(hops=fewest + further, alphabet=3, length=20, supervision=supervision, fewest_hops=fewest)
    for split in task.splits.values():
        tokens, targets = split.draw(4, torch.Generator().manual_seed(seed))
        for row, answers in zip(tokens.tolist(), targets.tolist(), strict=True):
            hops = told(row[:3], 3)
            assert split.fewest_hops is not None and split.fewest_hops <= hops <= split.hops
            expected = [IGNORE] * 3 + answers_by_definition(row[3:], hops)
            assert answers == (expected if supervision == "dense" else [IGNORE] * (len(row) - 1) + expected[-1:])


def test_announced_hops_are_uniform():
    task = PHop(hops=12, fewest_hops=8)
    tokens = task.draw(5000, torch.Generator().manual_seed(0)).tokens
    counts = torch.bincount(torch.tensor([told(row[:3], 4) for row in tokens.tolist()]))
    assert counts[:8].sum() == 0 and (counts[8:] - 1000).abs().max() < 142  # five standard errors


def test_shortcuts_are_fewer_hops():
    task = PHop(hops=4, alphabet=3, length=30, fewest_hops=2)
    tokens, _ = task.draw(20, torch.Generator().manual_seed(0))
    rules = task.shortcuts(tokens)
    for hops, name in [(1, "1 hop"), (2, "2 hops"), (3, "3 hops")]:
        for row, answers in zip(tokens.tolist(), rules[name].tolist(), strict=True):
            assert answers == [IGNORE] * 3 + answers_by_definition(row[3:], hops)
    assert "4 hops" not in rules


def test_splits_of_announced_hops():
    splits = PHop(hops=12, fewest_hops=2).splits
    assert {name: (split.fewest_hops, split.hops, split.length) for name, split in splits.items()} == {
        "validation": (2, 12, 32),
        "test": (2, 12, 32),
        "2_hops": (2, 2, 32),
        "4_hops": (4, 4, 32),
        "8_hops": (8, 8, 32),
        "12_hops": (12, 12, 32),
        "more_hops": (13, 13, 32),
        "longer": (2, 12, 64),
    }
    assert {(split.vocabulary, split.sequence_length - split.length) for split in splits.values()} == {(14, 3)}


def test_show_announced():
    tokens = torch.tensor([4, 4, 6, 0, 1, 0, 2])
    task = PHop(fewest_hops=1)
    assert task.show(tokens, torch.tensor([IGNORE] * 5 + [1, IGNORE])) == "002: 0 1 0 2 -> _ _ 1 _"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"hops": 4, "fewest_hops": 5}, "hops must be from fewest_hops, 5, to 998, found 4"),
        ({"hops": 999, "fewest_hops": 5}, "to 998, found 999"),
        ({"hops": 5, "length": 12, "supervision": "planted"}, "length must be at least 13"),
    ],
)
def test_settings_that_do_not_fit_are_refused(bad: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        PHop(**bad)


@pytest.mark.parametrize("bad", [{"hops": 0}, {"alphabet": 1}, {"length": 1}, {"supervision": "first"}, {"hop": 1}])
def test_bad_settings_are_refused(bad: dict):
    with pytest.raises(ValidationError, match=next(iter(bad))):
        PHop(**bad)
