import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asura.reporting.statistics import mean_interval, paired_difference

scores = st.floats(0, 1)
samples = st.lists(scores, max_size=6)


def series(values: dict[int, float]) -> pd.Series:
    return pd.Series(values, dtype=float)


def test_the_interval_of_three_numbers_worked_out_by_hand():
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, variance 7; t at 97.5 % with 2 degrees of freedom is 4.302653
    half = 4.302653 * math.sqrt(7 / 3)
    assert mean_interval([1, 2, 6]) == pytest.approx((3, 3 - half, 3 + half, 3), rel=1e-6)


def test_one_seed_has_a_mean_and_no_interval():
    mean, low, high, seeds = mean_interval([0.7])
    assert (mean, seeds) == (0.7, 1)
    assert math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_no_seed_has_no_mean(values: list[float]):
    mean, low, high, seeds = mean_interval(values)
    assert math.isnan(mean) and math.isnan(low) and math.isnan(high)
    assert seeds == 0


@pytest.mark.parametrize("values", [[0.25, 0.25, 0.25], [0.3, 0.1 + 0.2]])  # which differ in the last bit
def test_equal_values_have_a_mean_and_no_interval(values: list[float]):
    mean, low, high, seeds = mean_interval(values)
    assert mean == pytest.approx(values[0]) and seeds == len(values)
    assert math.isnan(low) and math.isnan(high)


@given(samples, st.integers(0, 6), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_is_dropped(values: list[float], place: int, value: float):
    found = mean_interval([*values[:place], value, *values[place:]])
    assert found == pytest.approx(mean_interval(values), nan_ok=True)


@given(st.lists(scores, min_size=2, max_size=6), st.floats(-5, 5))
def test_the_interval_moves_with_its_values_and_holds_their_mean(values: list[float], shift: float):
    interval = mean_interval(values)
    if math.isnan(interval.low):
        assert max(values) - min(values) < 1e-9
        return
    assert interval.low <= interval.mean <= interval.high
    assert interval.high - interval.mean == pytest.approx(interval.mean - interval.low, abs=1e-9)
    moved = mean_interval([value + shift for value in values])
    assert moved[:3] == pytest.approx([bound + shift for bound in interval[:3]], abs=1e-9)


def test_a_difference_of_three_pairs_worked_out_by_hand():
    # differences 0.1, 0.3, 0.2: mean 0.2, deviation 0.1, t = 0.2 / (0.1 / √3) = 2√3
    first = series({0: 0.9, 1: 0.8, 2: 0.7})
    found = paired_difference(first, series({2: 0.5, 0: 0.8, 1: 0.5}))
    half = 4.302653 * 0.1 / math.sqrt(3)
    p = 1 - math.sqrt(12) / math.sqrt(12 + 2)  # the distribution of t is 1/2 + t / 2√(t² + 2) here
    assert found == pytest.approx((0.2, 0.2 - half, 0.2 + half, p, 3), rel=1e-6)


def test_p_of_two_pairs_is_that_of_a_cauchy_variable():
    found = paired_difference(series({4: 0.9, 7: 0.6}), series({4: 0.5, 7: 0.4}))
    t = 0.3 / (math.sqrt(0.02) / math.sqrt(2))  # differences 0.4 and 0.2
    assert found.mean == pytest.approx(0.3)
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(t))
    assert (found.low, found.high) == pytest.approx((0.3 - 12.706205 * 0.1, 0.3 + 12.706205 * 0.1), rel=1e-6)


def test_seeds_of_only_one_of_the_two_are_left_out():
    first = series({0: 0.9, 1: 0.8, 2: 0.7, 5: 0.1, 6: math.nan})
    second = series({2: 0.5, 0: 0.8, 9: 0.3, 1: 0.5, 6: 0.2})
    assert paired_difference(first, second) == paired_difference(first[:3], second[[0, 1, 2]])
    assert paired_difference(first, second).pairs == 3


@given(st.dictionaries(st.integers(0, 5), scores), st.dictionaries(st.integers(0, 5), scores))
def test_the_difference_turned_round_is_the_negative(first: dict[int, float], second: dict[int, float]):
    there, back = paired_difference(series(first), series(second)), paired_difference(series(second), series(first))
    expected = (-there.mean, -there.high, -there.low, there.p, there.pairs)
    assert back == pytest.approx(expected, nan_ok=True, abs=1e-9)
    differences = [first[seed] - second[seed] for seed in first if seed in second]
    assert there[:3] == pytest.approx(mean_interval(differences)[:3], nan_ok=True, abs=1e-9)


@pytest.mark.parametrize("pairs", [0, 1, 2, 3])
def test_p_is_undefined_without_variance(pairs: int):
    first = series({seed: 0.5 + seed / 8 for seed in range(pairs)})
    mean, low, high, p, count = paired_difference(first, first - 0.25)
    assert math.isnan(p) and count == pairs
    assert mean == 0.25 if pairs else math.isnan(mean)
    assert math.isnan(low) and math.isnan(high)
