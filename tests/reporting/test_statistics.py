import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, t

from asura.reporting.statistics import (
    UNBOUNDED,
    Scale,
    equivalence_p,
    holm,
    mean_interval,
    paired_difference,
    permutation_p,
    solved_share,
)

scores = st.floats(0, 1)
samples = st.lists(scores, min_size=2, max_size=10)
FLOOR = Scale(0.25, 1)
SCATTER = Scale(0, 1, may_fail=False)


def series(values: dict[int, float]) -> pd.Series:
    return pd.Series(values, dtype=float)


def numbered(values: list[float]) -> pd.Series:
    return series(dict(enumerate(values)))


def test_three_perfect_scores_have_an_interval():
    # three of three: the lower bound of Clopper and Pearson at 5 % is .05^(1/3), here of what is above the floor
    third = 0.05 ** (1 / 3)
    assert mean_interval([1.0, 1.0, 1.0]) == pytest.approx((1, third, 1, 3))
    assert mean_interval([1.0, 1.0, 1.0], FLOOR) == pytest.approx((1, 0.25 + 0.75 * third, 1, 3))


@pytest.mark.parametrize(("solved", "seeds"), [(1, 3), (2, 3), (3, 5), (9, 10), (1, 10), (0, 5)])
def test_for_zeros_and_ones_it_is_the_interval_of_clopper_and_pearson(solved: int, seeds: int):
    found = mean_interval([0.0] * (seeds - solved) + [1.0] * solved)
    low = beta.ppf(0.05, solved, seeds - solved + 1) if solved else 0
    assert (found.low, found.high) == pytest.approx((low, beta.ppf(0.95, solved + 1, seeds - solved)), abs=1e-6)


@pytest.mark.parametrize("values", [[0.3, 0.5, 0.9], [0.6, 0.61, 0.99, 0.99, 1.0], [0.4, 0.4, 0.4001], [0.25, 1]])
def test_the_bounds_are_quantiles_of_means_under_dirichlet_weights(values: list[float]):
    weights = np.random.default_rng(0).dirichlet(np.ones(len(values) + 1), 200_000)
    found = mean_interval(values, FLOOR)
    assert found.low == pytest.approx(np.quantile(weights @ [*values, 0.25], 0.05), abs=3e-3)
    assert found.high == pytest.approx(np.quantile(weights @ [*values, 1], 0.95), abs=3e-3)


def test_where_scores_scatter_it_is_students_interval_worked_out_by_hand():
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, variance 7; t at 97.5 % with 2 degrees of freedom is 4.302653
    half = 4.302653 * math.sqrt(7 / 3)
    assert mean_interval([1, 2, 6], UNBOUNDED) == pytest.approx((3, 3 - half, 3 + half, 3), rel=1e-6)
    assert mean_interval([1, 2, 6], Scale(0, 7, may_fail=False))[:3] == (3, 0, 7)


def test_the_error_over_test_examples_is_added_as_a_variance():
    # equal seeds of text leave the test set alone: 1.959964 standard errors
    assert mean_interval([2.5, 2.5], UNBOUNDED, 0.01)[1:3] == pytest.approx((2.5 - 0.01959964, 2.5 + 0.01959964))
    alone, both = mean_interval([0.5, 0.8, 0.9], FLOOR), mean_interval([0.5, 0.8, 0.9], FLOOR, 0.02)
    expected = math.hypot(alone.mean - alone.low, 1.644854 * 0.02)  # the quantile at 95 %
    assert both.mean - both.low == pytest.approx(expected)
    assert mean_interval([0.5, 0.8], FLOOR, math.nan) == mean_interval([0.5, 0.8], FLOOR)


@pytest.mark.parametrize("scale", [FLOOR, SCATTER, UNBOUNDED])
def test_one_seed_has_a_mean_and_no_interval(scale: Scale):
    mean, low, high, seeds = mean_interval([0.7], scale, 0.01)
    assert (mean, seeds) == (0.7, 1)
    assert math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_no_seed_has_no_mean(values: list[float]):
    mean, low, high, seeds = mean_interval(values)
    assert math.isnan(mean) and math.isnan(low) and math.isnan(high)
    assert seeds == 0


@given(samples, st.integers(0, 6), st.sampled_from([math.nan, math.inf, -math.inf]))
@settings(deadline=None)
def test_what_is_not_finite_is_dropped(values: list[float], place: int, value: float):
    found = mean_interval([*values[:place], value, *values[place:]])
    assert found == pytest.approx(mean_interval(values), nan_ok=True)


@given(samples, st.sampled_from([Scale(), FLOOR, SCATTER]), st.floats(0, 0.1))
@settings(deadline=None)
def test_the_interval_holds_the_mean_and_stays_in_the_range(values: list[float], scale: Scale, test_error: float):
    found = mean_interval(values, scale, test_error)
    assert 0 <= found.low <= found.mean + 1e-9 and found.mean - 1e-9 <= found.high <= 1
    assert found.high > found.low or test_error < 1e-12


@given(samples)
@settings(deadline=None)
def test_the_interval_of_the_mirror_image_is_mirrored(values: list[float]):
    found, mirrored = mean_interval(values), mean_interval([1 - value for value in values])
    assert mirrored[:3] == pytest.approx((1 - found.mean, 1 - found.high, 1 - found.low), abs=1e-6)


def test_the_interval_of_a_difference_is_put_together_from_those_of_the_means():
    row, reference = numbered([1.0] * 10), numbered([0.6] * 10)
    # below: ten equal ones, .05^(1/10) of what is above .25; above: ten equal .6, the same of what is below 1
    below, above = 0.75 * (1 - 0.05**0.1), 0.4 * (1 - 0.05**0.1)
    found = paired_difference(row, reference, FLOOR)
    assert found.low == pytest.approx(0.4 - math.hypot(below, above), abs=1e-6) and found.pairs == 10
    assert found.high == pytest.approx(0.4 + 0.35 * (1 - 0.05**0.1), abs=1e-6)  # only .6 may be lower


def test_a_difference_of_scattering_scores_has_students_interval():
    # differences 0.1, 0.3, 0.2: mean 0.2, deviation 0.1
    found = paired_difference(series({0: 0.9, 1: 0.8, 2: 0.7}), series({2: 0.5, 0: 0.8, 1: 0.5}), SCATTER)
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert found == pytest.approx((0.2, 0.2 - half, 0.2 + half, 3), rel=1e-6)


def test_seeds_of_only_one_of_the_two_are_left_out():
    first = series({0: 0.9, 1: 0.8, 2: 0.7, 5: 0.1, 6: math.nan})
    second = series({2: 0.5, 0: 0.8, 9: 0.3, 1: 0.5, 6: 0.2})
    assert paired_difference(first, second) == paired_difference(first[:3], second[[0, 1, 2]])
    assert paired_difference(first, second).pairs == 3
    assert permutation_p(first, second) == permutation_p(first[:3], second[[0, 1, 2]])


@given(st.dictionaries(st.integers(0, 5), scores), st.dictionaries(st.integers(0, 5), scores))
@settings(deadline=None)
def test_the_difference_turned_round_is_the_negative(first: dict[int, float], second: dict[int, float]):
    there, back = paired_difference(series(first), series(second)), paired_difference(series(second), series(first))
    assert back == pytest.approx((-there.mean, -there.high, -there.low, there.pairs), nan_ok=True, abs=1e-9)


def test_p_is_the_share_of_sign_flips_that_are_as_extreme():
    row, reference = [0.9, 0.7, 0.95, 0.6, 0.85], [0.5, 0.75, 0.6, 0.55, 0.7]
    differences = np.subtract(row, reference)
    flips = [np.array([1 if k >> bit & 1 else -1 for bit in range(5)]) @ differences for k in range(32)]
    extreme = sum(abs(flipped) >= abs(differences.sum()) - 1e-12 for flipped in flips)
    assert permutation_p(numbered(row), numbered(reference)) == pytest.approx(float(Fraction(extreme, 32)))


@pytest.mark.parametrize(("pairs", "least"), [(2, 0.5), (5, 0.0625), (10, 2 / 1024)])
def test_the_least_p_is_reached_when_every_seed_differs_in_the_same_direction(pairs: int, least: float):
    assert permutation_p(numbered([0.9] * pairs), numbered([0.5] * pairs)) == pytest.approx(least)
    assert permutation_p(numbered([0.9] * pairs), numbered([0.9] * pairs)) == 1


def test_p_of_no_pair_is_unknown_and_of_one_pair_says_nothing():
    assert math.isnan(permutation_p(series({}), series({0: 1})))
    assert permutation_p(series({0: 1}), series({0: 0})) == 1


def test_holm_of_four_tests_worked_out_by_hand():
    # sorted .005, .01, .03, .04 times 4, 3, 2, 1 is .02, .03, .06, .04; the last is not below the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([math.nan, 0.01])[1] == 0.02 and math.isnan(holm([math.nan, 0.01])[0])


def test_equivalence_of_scattering_scores_is_two_one_sided_t_tests():
    row, reference = numbered([2.50, 2.52, 2.49, 2.51]), numbered([2.51, 2.50, 2.50, 2.51])
    differences = (row - reference).to_numpy()
    error = differences.std(ddof=1) / 2
    by_hand = max(t.sf((differences.mean() + 0.05) / error, 3), t.sf((0.05 - differences.mean()) / error, 3))
    assert equivalence_p(row, reference, 0.05, Scale(0, math.inf, may_fail=False)) == pytest.approx(by_hand, rel=2e-3)


def test_where_runs_may_fail_ten_equal_seeds_do_not_show_a_small_margin():
    perfect = numbered([1.0] * 10)
    # .75 (1 - p^(1/10)) = margin
    assert equivalence_p(perfect, perfect, 0.2, FLOOR) == pytest.approx((1 - 0.2 / 0.75) ** 10, rel=2e-3)
    assert equivalence_p(perfect, perfect, 0.05, FLOOR) > 0.4
    assert equivalence_p(perfect, numbered([0.5] * 10), 0.2, FLOOR) == 1
    assert math.isnan(equivalence_p(perfect[:1], perfect[:1], 0.2, FLOOR))


def test_the_solved_share_has_the_interval_of_clopper_and_pearson():
    assert solved_share(3, 3) == pytest.approx((1, 0.025 ** (1 / 3), 1, 3))
    assert solved_share(0, 5) == pytest.approx((0, 0, 1 - 0.025**0.2, 5))
    assert math.isnan(solved_share(0, 0).mean)
