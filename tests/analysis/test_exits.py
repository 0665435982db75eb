"""Positions that stop early."""

from typing import Any

import pandas as pd
import pytest
import torch

from asura.analysis.exits import _Cost, _passed, change, entropy, exits, passed
from asura.planning.analysis_settings import Exits
from asura.planning.costs import forward_flops
from tests.analysis.subjects import TASK, oracle, subject
from tests.models.variants import VARIANTS, small

TOKENS = TASK.draw(4, torch.Generator().manual_seed(0)).tokens
STEPS = [v for v in VARIANTS if v["architecture"] not in ("vanilla", "deq")]


def below(criterion, threshold):
    return lambda _, seen: criterion(seen) < threshold


@pytest.mark.parametrize("variant", STEPS, ids=str)
def test_with_threshold_0_the_pass_is_the_whole_pass_bit_for_bit(variant):
    model = small(i=3, **variant).eval()
    seen_last = []

    def never(t, seen):
        seen_last.append(seen.log_p)
        return entropy(seen) < 0

    with torch.no_grad():
        chosen, taken = passed(model, TOKENS, 3, never)
        assert (taken == 3).all() and torch.equal(chosen, model(TOKENS).argmax(-1))
        for t, log_p in enumerate(seen_last, start=1):
            assert torch.equal(log_p, model(TOKENS, t).log_softmax(-1))


def values_of(model, criterion):
    """What a criterion is after each iteration but the last, where nothing stops."""
    values: list[torch.Tensor] = []

    def watch(_, seen):
        values.append(criterion(seen))
        return values[-1] < -1

    passed(model, TOKENS, 3, watch)
    return values


@pytest.mark.parametrize("architecture", ["asura", "bare", "ouro", "trm", "parcae"])
def test_no_exit_reads_the_future(architecture):
    model = small(i=3, architecture=architecture).eval()
    other = TOKENS.clone()
    other[:, 15:] = (other[:, 15:] + 1) % 7
    for criterion in (entropy, change):
        with torch.no_grad():
            threshold = torch.stack(values_of(model, criterion)).median().item()
            one, again = (passed(model, tokens, 3, below(criterion, threshold)) for tokens in (TOKENS, other))
        assert 3 * TOKENS.numel() > one[1].sum() > TOKENS.numel()  # some stop
        for before, after in zip(one, again, strict=True):
            assert torch.equal(before[:, :15], after[:, :15])


def test_what_has_stopped_keeps_its_state_and_others_attend_to_it():
    model: Any = small(i=3, architecture="bare").eval()
    first = torch.zeros_like(TOKENS, dtype=torch.bool)
    first[:, :10] = True
    with torch.no_grad():
        chosen, taken = passed(model, TOKENS, 3, lambda t, _: first if t == 1 else ~first & False)
        z = model.embed(TOKENS)
        early = model.blocks[0](z)
        for _ in range(3):
            new = model.blocks[0](z)
            z = torch.where(first[..., None], early, new)
    assert torch.equal(chosen, model.logits(z).argmax(-1))
    assert (taken[:, :10] == 1).all() and (taken[:, 10:] == 3).all()


def test_an_oracle_that_knows_when_it_is_done_loses_nothing():
    rows = pd.DataFrame(exits(subject(oracle()), Exits())["exits"])
    fixed = rows[rows["criterion"] == "fixed"].set_index("threshold")
    assert fixed.loc[3, "accuracy"] == 1.0 and fixed.loc[3, "iterations"] == 3 and fixed.loc[3, "is_chosen"] == 1
    random = rows[rows["criterion"] == "random"].sort_values("threshold")
    assert random["iterations"].is_monotonic_decreasing and random["flops"].is_monotonic_decreasing
    assert random["accuracy"].iloc[-1] == fixed.loc[1, "accuracy"]
    assert rows.groupby("criterion")["is_chosen"].sum().eq(1).all()


def test_flops_without_exits_are_those_of_the_plan_and_a_stopped_position_costs_its_keys_and_values():
    model = small(i=3, architecture="bare")
    cost = _Cost(subject(model))
    tokens = torch.zeros(1, 24, dtype=torch.int64, device="meta")
    on_meta = small(i=3, architecture="bare").to("meta")
    whole, once = (forward_flops(on_meta, tokens, t) / 24 for t in (3, 1))
    assert cost.of(3, 0, False) == pytest.approx(whole) and cost.of(1, 0, False) == pytest.approx(once)
    assert cost.of(3, 0, True) == pytest.approx(whole + 2 * 2 * 8 * 7)  # two more readings by the head
    assert cost.of(1, 2, False) == pytest.approx(once + 2 * 2 * 2 * 8 * 8)  # keys and values, from 8 to 8 each


def test_a_coda_is_part_of_each_reading():
    coda = _Cost(subject(small(i=3, architecture="recurrent_depth")))
    block = 2 * 8 * (3 * 8 + 8 + 2 * 32) + 2 * 2 * 24 * 8  # maps, and attention to 24 positions
    assert coda.reading == pytest.approx(block + 2 * 8 * 7)


def test_a_sequence_of_which_all_positions_have_stopped_costs_nothing_more():
    own = subject(small(i=3, architecture="bare"), examples=4)
    first = own.batch.tokens[0]

    def stops(_, seen):
        return torch.zeros(seen.log_p.shape[:2], dtype=torch.bool).index_fill(0, torch.tensor([0]), True)

    _, iterations, stopped = _passed(own, own.batch, stops)
    assert (iterations, stopped) == ((1 + 3 * 3) / 4, 0) and len(first) == 24

    def half(_, seen):
        return (torch.arange(24) < 12).expand(seen.log_p.shape[:2])

    assert _passed(own, own.batch, half)[1:] == (2, 1)


def test_with_two_iterations_a_change_of_the_prediction_has_no_threshold():
    rows = pd.DataFrame(exits(subject(small(i=2, architecture="bare")), Exits())["exits"])
    assert list(rows.loc[rows["criterion"] == "divergence", "threshold"]) == [0, float("inf")]


def test_architectures_with_an_exit_of_their_own_have_it_as_a_criterion():
    def criteria(**settings):
        return {row["criterion"] for row in exits(subject(small(i=3, **settings)), Exits(thresholds=1))["exits"]}

    usual = {"fixed", "entropy", "divergence", "change", "random"}
    assert criteria(architecture="ouro") == usual | {"gate"}
    assert criteria(architecture="universal", halting="act") == usual | {"halting"}
    assert criteria(architecture="universal") == usual
