"""How often intervals cover what they are of, in simulated studies: new seeds and a new test set each time.

Tables print the worst of these, as `COVERAGE`. A run solves its task or fails, at rates of 5, 10, 20 and 50 %, or
scores scatter about one value. All seeds share one test set, whose choice moves all of them by the same amount.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from asura.reporting.statistics import COVERAGE, Scale, mean_interval, paired_difference

SEEDS = (3, 5, 10)
CHANCE, FAILED, SLIP, OF_TEST = 0.17, 0.6, 0.006, 0.007
RATES = (0.05, 0.1, 0.2, 0.5)
FAILING, SCATTERING, BITS = Scale(CHANCE, 1), Scale(0, 1, may_fail=False), Scale(0, math.inf, may_fail=False)
Draw = Callable[[np.random.Generator, int], np.ndarray]


def solves_or_fails(rate: float) -> Draw:
    def draw(random: np.random.Generator, seeds: int) -> np.ndarray:
        failed = np.clip(random.normal(FAILED, 0.03, seeds), CHANCE, 1)
        return np.where(random.random(seeds) < rate, failed, 1 - np.minimum(random.exponential(SLIP, seeds), 0.5))

    return draw


def takes_steps(rate: float) -> Draw:
    """Of 500; a run that fails takes all of them."""

    def draw(random: np.random.Generator, seeds: int) -> np.ndarray:
        return np.where(random.random(seeds) < rate, 500.0, random.normal(320, 40, seeds))

    return draw


def scatters(mean: float, deviation: float) -> Draw:
    return lambda random, seeds: random.normal(mean, deviation, seeds)


MEANS = {rate: rate * FAILED + (1 - rate) * (1 - SLIP) for rate in RATES}
CASES: list[tuple[Draw, float, Scale, int]] = [
    *((solves_or_fails(rate), mean, FAILING, 300) for rate, mean in MEANS.items()),
    (scatters(0.6, 0.02), 0.6, FAILING, 300),
    (scatters(0.6, 0.02), 0.6, SCATTERING, 2000),
    (scatters(2.5, 0.01), 2.5, BITS, 2000),
    *((takes_steps(rate), rate * 500 + (1 - rate) * 320, Scale(0, 500), 300) for rate in (0.1, 0.5, 0.9, 0.95)),
]


def on_one_test_set(random: np.random.Generator, values: np.ndarray, scale: Scale) -> np.ndarray:
    return np.minimum(values + random.normal(0, OF_TEST) + random.normal(0, 0.003, len(values)), scale.high)


def coverage(draw: Draw, mean: float, scale: Scale, studies: int, seeds: int) -> float:
    random = np.random.default_rng(seeds)
    covered = 0
    for _ in range(studies):
        found = mean_interval(on_one_test_set(random, draw(random, seeds), scale), scale, OF_TEST)
        assert scale.low <= found.low <= found.mean <= found.high <= scale.high
        covered += found.low <= mean <= found.high
    return covered / studies


def coverage_of_a_difference(first: Draw, second: Draw, difference: float, scale: Scale, seeds: int) -> float:
    random = np.random.default_rng(seeds)
    covered = 0
    for _ in range(200):
        row, reference = (pd.Series(on_one_test_set(random, draw(random, seeds), scale)) for draw in (first, second))
        found = paired_difference(row, reference, scale, OF_TEST * math.sqrt(2))
        covered += found.low <= difference <= found.high
    return covered / 200


def test_the_worst_coverage_of_a_mean_is_the_one_that_tables_print():
    worst = min(coverage(*case, seeds) for case in CASES for seeds in SEEDS)
    assert worst >= 0.9
    assert math.floor(100 * worst) / 100 == COVERAGE


@pytest.mark.parametrize("seeds", SEEDS)
def test_differences_are_covered_as_well(seeds: int):
    for rates in [(0.05, 0.05), (0.05, 0.5), (0.1, 0.2), (0.5, 0.5)]:
        difference = MEANS[rates[0]] - MEANS[rates[1]]
        first, second = map(solves_or_fails, rates)
        found = coverage_of_a_difference(first, second, difference, FAILING, seeds)
        assert found >= COVERAGE
    found = coverage_of_a_difference(scatters(2.5, 0.01), scatters(2.48, 0.02), 0.02, BITS, seeds)
    assert found >= COVERAGE - 0.02  # of 200 studies


def test_students_interval_would_cover_far_less_where_runs_may_fail():
    clipped = Scale(0, 1, may_fail=False)
    assert min(coverage(solves_or_fails(rate), MEANS[rate], clipped, 400, 3) for rate in RATES) < 0.6
