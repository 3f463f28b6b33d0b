"""Do two methods differ on the repeats they share? The paired t-test, and when to refuse it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from funcdl.stats.interval import (
    ROUNDING,
    check_level,
    half_width,
    mean_and_sd,
    vector,
)
from funcdl.types import Array


class Paired(NamedTuple):
    """A difference, its interval and its test; None where a number cannot be given.

    n: how many pairs.
    difference: mean of a - b, in the metric's unit.
    low, high: the interval for the mean difference.
    t: the statistic.
    p: two-sided, for the hypothesis of no difference, not corrected for other tests.
    reason: why there is no test; empty when there is one.
    df: the degrees of freedom of `t`.
    """

    n: int
    difference: float | None
    low: float | None
    high: float | None
    t: float | None
    p: float | None
    reason: str
    df: float | None = None


def paired_t(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    level: float = 0.95,
    rounding: float = ROUNDING,
) -> Paired:
    """Student's t-test of the differences `a[i] - b[i]`, where repeat i shares its random streams.

    `t = mean(d) / (sd(d) / sqrt(n))`. The test is refused, with `reason`, where it would mislead:
    fewer than two pairs, values that are not finite (a run that diverged is no measurement, and
    the survivors alone are a selection), and differences without variance, for which the formula
    returns t = inf and p = 0 whatever their size.

    Args:
        a: `[n]`, one number per repeat.
        b: `[n]`, the other method's number on the same repeats, in the same order.
        level: coverage of the interval, between 0 and 1.
        rounding: differences whose deviation is at most this fraction of the largest value count
            as without variance; the default is a few units in the last place of float32.

    Raises:
        ValueError: the lengths differ, an input has more than one axis, or `level` is no coverage.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).

    >>> found = paired_t([0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.92, 0.93, 0.91, 0.89])
    >>> f"t = {found.t:.2f}, p = {found.p:.3f}"
    't = 1.50, p = 0.208'
    >>> paired_t([0.9, 0.8], [0.8, 0.7]).reason
    'the 2 differences do not vary beyond rounding, so there is nothing to test them against'
    """
    x, y = vector(a, "a"), vector(b, "b")
    check_level(level)
    if len(x) != len(y):
        raise ValueError(f"a has {len(x)} repeats and b {len(y)}; give the repeats both have")
    n = len(x)
    if n == 0:
        return refused(0, None, "no common repeats")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        bad = n - int((np.isfinite(x) & np.isfinite(y)).sum())
        return refused(n, None, f"{bad} of {n} pairs are not finite")
    with np.errstate(over="ignore"):
        d = x - y
    mean, sd = mean_and_sd(d)
    if n == 1:
        return refused(1, mean, "one common repeat; a paired test needs at least 2")
    if mean is None or sd is None:
        return refused(n, mean, "the differences are too large for a test")
    if sd <= rounding * max(float(np.abs(x).max()), float(np.abs(y).max())):
        return refused(n, mean, _constant(n, mean))
    half = half_width(sd, n, level)
    t = mean / (sd / math.sqrt(n))
    p = 2 * float(stdtr(n - 1, -abs(t)))
    return Paired(n, mean, mean - half, mean + half, t, p, "", n - 1)


def refused(n: int, difference: float | None, reason: str) -> Paired:
    """A comparison of `n` pairs without a test, because of `reason`."""
    return Paired(n, difference, None, None, None, None, reason)


def _constant(n: int, mean: float) -> str:
    if mean == 0:
        return f"all {n} differences are 0, so there is nothing to test"
    return (
        f"the {n} differences do not vary beyond rounding, so there is nothing to test them against"
    )
