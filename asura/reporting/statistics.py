"""Intervals, tests and their limits for scores over seeds. docs/statistics.md says why these, and how well they cover.

A task that a run either solves or does not gives scores in two lumps, of which few seeds may show one. Student's t is
then too narrow by far. `Scale.may_fail` says where that can happen; elsewhere scores scatter about one value.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

ERROR = 0.05
"""What a test may err."""
END_OF_FAILING, END_OF_SCATTER = 0.05, 0.025
"""What each end of an interval may miss: of Gaffke's, which is conservative, and of Student's."""
COVERAGE = 0.94
"""The least that intervals covered in the simulation of tests/reporting/test_coverage.py, rounded down."""
INTERVAL = f"95 % interval, covers ≥ {100 * COVERAGE:.0f} %"
MOST_FLIPS = 2**14
"""Sign flips up to which a permutation test is exact; beyond it as many are drawn."""


class Scale(NamedTuple):
    """The range of a metric, from its floor, and whether single runs may fail to leave that floor."""

    low: float = 0.0
    high: float = 1.0
    may_fail: bool = True


UNIT = Scale()
UNBOUNDED = Scale(-math.inf, math.inf, may_fail=False)


class MeanInterval(NamedTuple):
    """Mean over seeds with its interval. One seed does not say how seeds vary: it has none (nan)."""

    mean: float
    low: float
    high: float
    seeds: int


class PairedDifference(NamedTuple):
    """Mean of row minus reference over the seeds of both, its interval, and the number of pairs."""

    mean: float
    low: float
    high: float
    pairs: int


def mean_interval(
    values: ArrayLike, scale: Scale = UNIT, test_error: float = 0.0, end: float | None = None
) -> MeanInterval:
    """Mean of the finite values, and an interval for its expectation over new seeds and new test examples.

    test_error: standard error of the mean over test examples, which all seeds share.
    end: what each end of the interval may miss.
    """
    sample = np.asarray(values, dtype=float)
    sample = np.sort(sample[np.isfinite(sample)])
    if sample.size == 0:
        return MeanInterval(math.nan, math.nan, math.nan, 0)
    mean = float(sample.mean())
    if sample.size == 1:
        return MeanInterval(mean, math.nan, math.nan, 1)
    from scipy import stats  # takes a second

    end = end or (END_OF_FAILING if scale.may_fail else END_OF_SCATTER)
    low, high = min(scale.low, sample[0]), max(scale.high, sample[-1])
    if scale.may_fail:
        below, above = mean - _lower(sample, low, end), -_lower(-sample[::-1], -high, end) - mean
    else:
        below = above = float(stats.t.isf(end, sample.size - 1) * stats.sem(sample))
    of_test = _of_test(test_error, end)
    return MeanInterval(
        mean,
        float(max(low, mean - math.hypot(below, of_test))),
        float(min(high, mean + math.hypot(above, of_test))),
        sample.size,
    )


def _lower(ascending: np.ndarray, floor: float, error: float) -> float:
    """Gaffke's lower confidence bound for the mean of a variable that is never below `floor`.

    It is the `error` quantile of the mean of the sample and the floor under uniform (Dirichlet) weights, whose density
    is the B-spline that has these points as knots. For a sample of zeros and ones it is the bound of Clopper and
    Pearson.
    """
    from scipy.interpolate import BSpline
    from scipy.optimize import brentq

    top = ascending[-1]
    if top - floor < 1e-12:
        return float(floor)
    knots = (np.array([floor, *ascending]) - floor) / (top - floor)
    if knots[1] > 1 - 1e-9:  # equal values: the sum of their weights is a power of a uniform variable
        return float(floor + (top - floor) * error ** (1 / len(ascending)))
    spread = np.linspace(0, 1e-9, len(knots))  # tied knots would make the spline jump
    cumulative = BSpline.basis_element(knots + spread, extrapolate=False).antiderivative()
    start, end = knots[0], knots[-1] + spread[-1]
    area = float(cumulative(end) - cumulative(start))
    at = brentq(lambda x: float(cumulative(x) - cumulative(start)) / area - error, start, end, xtol=1e-9)
    return float(floor + (top - floor) * at)


def _of_test(test_error: float, end: float) -> float:
    """What the choice of test examples adds to an interval; nothing where it is not known."""
    from scipy.stats import norm

    return 0.0 if math.isnan(test_error) else float(norm.isf(end)) * test_error


def pairs_of(row: pd.Series, reference: pd.Series) -> pd.DataFrame:
    """Both series, indexed by seed, at the seeds of both."""
    named = [row.rename("row"), reference.rename("reference")]
    return pd.concat(named, axis="columns", join="inner").dropna().sort_index()


def paired_difference(
    row: pd.Series, reference: pd.Series, scale: Scale = UNIT, test_error: float = 0.0, end: float | None = None
) -> PairedDifference:
    """Row minus reference, both indexed by seed; seeds that only one of them has are left out.

    Where runs may fail, the interval is put together from those of the two means (MOVER, of which Newcombe's interval
    for proportions is a case), so that it stays in the range that a difference can have. Elsewhere it is Student's,
    of the differences.

    test_error: standard error of the difference over test examples.
    """
    pairs = pairs_of(row, reference)
    differences = pairs["row"] - pairs["reference"]
    if not scale.may_fail or len(pairs) < 2:
        most = scale.high - scale.low
        return PairedDifference(*mean_interval(differences, Scale(-most, most, may_fail=False), test_error, end))
    end = end or END_OF_FAILING
    mean = float(differences.mean())
    own, other = (mean_interval(pairs[name], scale, 0.0, end) for name in ("row", "reference"))
    of_test = _of_test(test_error, end)
    most = max(scale.high, pairs.max(axis=None)) - min(scale.low, pairs.min(axis=None))
    below = math.hypot(own.mean - own.low, other.high - other.mean, of_test)
    above = math.hypot(own.high - own.mean, other.mean - other.low, of_test)
    return PairedDifference(mean, max(-most, mean - below), min(most, mean + above), len(pairs))


def permutation_p(row: pd.Series, reference: pd.Series) -> float:
    """Two-sided p of the paired sign-flip test: exact, over all flips, for up to 14 pairs. Without pairs it is nan."""
    pairs = pairs_of(row, reference)
    if len(pairs) < 2:
        return 1.0 if len(pairs) else math.nan  # which scipy refuses: one pair can be flipped in two ways only
    from scipy.stats import permutation_test

    def mean(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.mean(first - second, axis=axis))

    data = (pairs["row"].to_numpy(), pairs["reference"].to_numpy())
    found = permutation_test(
        data, mean, permutation_type="samples", vectorized=True, n_resamples=MOST_FLIPS, rng=np.random.default_rng(0)
    )
    return float(found.pvalue)


def equivalence_p(
    row: pd.Series, reference: pd.Series, margin: float, scale: Scale = UNIT, test_error: float = 0.0
) -> float:
    """p of two one-sided tests that the difference lies within ±margin.

    It is the least error of each end at which the interval of the difference is within the margin; 1 where none is.
    """
    if len(pairs_of(row, reference)) < 2:
        return math.nan

    def is_within(end: float) -> bool:
        found = paired_difference(row, reference, scale, test_error, end)
        return -margin < found.low and found.high < margin

    least, most = 1e-6, 0.5
    if not is_within(most):
        return 1.0
    while most / least > 1.001:
        middle = math.sqrt(least * most)
        least, most = (least, middle) if is_within(middle) else (middle, most)
    return most


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected by Holm for being so many; one that is not known counts, and stays unknown."""
    corrected, largest = [math.nan] * len(p), 0.0
    for place, k in enumerate(sorted((k for k, value in enumerate(p) if not math.isnan(value)), key=lambda k: p[k])):
        largest = max(largest, min(1.0, (len(p) - place) * p[k]))
        corrected[k] = largest
    return corrected


def solved_share(solved: int, seeds: int) -> MeanInterval:
    """Share of the seeds that solve a task, with Clopper and Pearson's interval at 95 %."""
    if seeds == 0:
        return MeanInterval(math.nan, math.nan, math.nan, 0)
    from scipy.stats import binomtest

    low, high = binomtest(solved, seeds).proportion_ci(confidence_level=0.95, method="exact")
    return MeanInterval(solved / seeds, float(low), float(high), seeds)
