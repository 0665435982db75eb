"""Means over seeds and differences paired by seed, both with Student's t-interval at 95 %."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
INTERVAL = "95 % t-interval"
SAME = 1e-12  # samples that differ by less have no variance but rounding


class MeanInterval(NamedTuple):
    """Mean over seeds with its t-interval; where they do not vary, as a single seed, there is none (nan)."""

    mean: float
    low: float
    high: float
    seeds: int


class PairedDifference(NamedTuple):
    """Mean of first minus second over the seeds of both, its t-interval, and p of the paired t-test."""

    mean: float
    low: float
    high: float
    p: float
    pairs: int


def mean_interval(values: ArrayLike) -> MeanInterval:
    """Mean and t-interval of the finite values; equal ones, as those of few seeds may be, do not say how they vary."""
    sample = np.asarray(values, dtype=float)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return MeanInterval(math.nan, math.nan, math.nan, 0)
    mean = float(sample.mean())
    if np.ptp(sample) < SAME:
        return MeanInterval(mean, math.nan, math.nan, sample.size)
    from scipy import stats  # takes a second

    low, high = stats.t.interval(CONFIDENCE, sample.size - 1, loc=mean, scale=stats.sem(sample))
    return MeanInterval(mean, float(low), float(high), sample.size)


def paired_difference(first: pd.Series, second: pd.Series) -> PairedDifference:
    """First minus second, both indexed by seed; seeds that only one of them has are left out.

    When every difference is the same the t-test is undefined: there is no interval, and p is nan.
    """
    pairs = pd.concat([first.rename("first"), second.rename("second")], axis="columns", join="inner").dropna()
    differences = pairs["first"] - pairs["second"]
    mean, low, high, count = mean_interval(differences)
    if math.isnan(low):
        return PairedDifference(mean, low, high, math.nan, count)
    from scipy import stats

    test = stats.ttest_rel(pairs["first"], pairs["second"])
    low, high = test.confidence_interval(CONFIDENCE)
    return PairedDifference(mean, float(low), float(high), float(test.pvalue), count)
