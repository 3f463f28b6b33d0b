"""Do two methods differ whose repeats are not paired? Welch's test, also with test examples shared."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr, stdtrit

from funcdl.stats.crossed import FEWEST
from funcdl.stats.interval import ROUNDING, check_level, mean_and_sd, vector
from funcdl.stats.paired import Paired, refused
from funcdl.types import Array


def welch_t(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    level: float = 0.95,
    rounding: float = ROUNDING,
) -> Paired:
    """Welch's t-test of two independent samples that need not vary alike nor be as many.

    `t = (mean(a) - mean(b)) / sqrt(va + vb)` with `va = s_a^2 / n_a`, and the degrees of freedom of
    Satterthwaite, `(va + vb)^2 / (va^2 / (n_a - 1) + vb^2 / (n_b - 1))`.

    Args:
        a: `[n_a]`, one number per repeat.
        b: `[n_b]`, the other method's, of other repeats.
        level: coverage of the interval, between 0 and 1.
        rounding: deviations that are both at most this fraction of the largest value count as none.

    Returns:
        The comparison; `n` is the smaller of the two numbers of repeats. Refused with `reason` where
        a sample has fewer than two values, one is not finite, or neither sample varies.

    Raises:
        ValueError: an input has more than one axis, or `level` is no coverage.

    Source: Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947).

    >>> found = welch_t([0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.92, 0.93, 0.91, 0.89])
    >>> f"t = {found.t:.5f} on {found.df:.4f} degrees of freedom, p = {found.p:.6f}"
    't = 1.07763 on 7.7111 degrees of freedom, p = 0.313752'
    """
    x, y = vector(a, "a"), vector(b, "b")
    check_level(level)
    return _tested(x[:, None], y[:, None], level, rounding, least=2)


def welch_crossed(a: Array, b: Array, level: float = 0.95, rounding: float = ROUNDING) -> Paired:
    """`welch_t` where the repeats of both methods were tested on the same examples, a sample, too.

    Write `D_e` for the difference of both methods' means on example e. The variance of the mean
    difference has a part of the repeats, `va + vb` of the runs' scores, and one of the examples,
    `s_D^2 / m` less what the repeats' own noise on single examples adds to it,
    `(r_a / n_a + r_b / n_b) / m` with r the mean square of repeats within examples; a part that is
    estimated below 0 counts as 0. Degrees of freedom are the harmonic mean of Satterthwaite's, of
    the repeats, and `m - 1`, weighted by the parts, as in `funcdl.stats.crossed`. Where no example
    differs from another this is Welch's test.

    Args:
        a: `[n_a, m]`, a row per repeat and a column per test example, or unit of them.
        b: `[n_b, m]`, the other method's, on the same examples.
        level: coverage of the interval, between 0 and 1.
        rounding: as for `welch_t`.

    Returns:
        The comparison, as `welch_t` gives it; fewer than three repeats or examples are refused.

    Raises:
        ValueError: an input has not two axes, the examples are not as many, or `level` is no coverage.

    Source: the parts of the variance as in Owen, "The pigeonhole bootstrap", Ann. Appl. Statist. 1
    (2007), section 3, for each sample.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    check_level(level)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"a has shape {x.shape} and b {y.shape}; give [repeats, the same examples]"
        )
    if x.size and y.size and x.shape[1] < FEWEST:
        return refused(min(len(x), len(y)), None, f"{x.shape[1]} test examples are too few")
    return _tested(x, y, level, rounding, least=FEWEST)


def _tested(x: np.ndarray, y: np.ndarray, level: float, rounding: float, least: int) -> Paired:
    """Both tests: of `[n, 1]` scores, or of `[n, m]` with examples."""
    sizes, n = (len(x), len(y)), min(len(x), len(y))
    if not (x.size and y.size):
        return refused(0, None, "no repeats")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        bad = sum(int((~np.isfinite(values).all(axis=1)).sum()) for values in (x, y))
        return refused(n, None, f"{bad} of {sum(sizes)} repeats are not finite")
    largest = max(float(np.abs(x).max()), float(np.abs(y).max()))
    if largest > 1e150:
        return refused(n, None, "the values are too large for a test")
    known = [mean_and_sd(values.mean(axis=1)) for values in (x, y)]
    (mean_a, sd_a), (mean_b, sd_b) = known
    assert mean_a is not None  # finite, and not large
    assert mean_b is not None
    difference = mean_a - mean_b
    if n < least:
        reason = (
            f"{sizes[0]} and {sizes[1]} unpaired repeats; a test needs at least {least} of each"
        )
        return refused(n, difference, reason)
    assert sd_a is not None
    assert sd_b is not None
    if max(sd_a, sd_b, float((x - x.mean()).std()), float((y - y.mean()).std())) <= (
        rounding * largest
    ):
        reason = "no method's repeats vary beyond rounding, so there is nothing to test against"
        return refused(n, difference, reason)
    parts = [(sd_a**2 / sizes[0], sizes[0] - 1), (sd_b**2 / sizes[1], sizes[1] - 1)]
    variance, df = _joined(parts)
    examples = _of_examples(x, y)
    total = variance + examples
    if not total > (rounding * largest) ** 2 / sum(sizes):
        return refused(n, difference, "the differences do not vary beyond rounding")
    if examples:
        inverse = variance / total / df + examples / total / (x.shape[1] - 1)
        df = 1 / inverse
    error = math.sqrt(total)
    half = float(stdtrit(df, (1 + level) / 2)) * error
    t = difference / error
    p = 2 * float(stdtr(df, -abs(t)))
    return Paired(n, difference, difference - half, difference + half, t, p, "", df)


def _joined(parts: list[tuple[float, int]]) -> tuple[float, float]:
    """The sum of variances that are known on some degrees of freedom each, and its own."""
    total = math.fsum(variance for variance, _ in parts)
    if not total:
        return 0.0, float(min(df for _, df in parts))
    return total, 1 / math.fsum((variance / total) ** 2 / df for variance, df in parts)


def _of_examples(x: np.ndarray, y: np.ndarray) -> float:
    """What drawing other test examples would add to the variance of the difference."""
    m = x.shape[1]
    if m < 2:
        return 0.0
    apart = x.mean(axis=0) - y.mean(axis=0)
    noise = math.fsum(_residual(values) / len(values) for values in (x, y))
    return max(0.0, float(apart.var(ddof=1)) - noise) / m


def _residual(x: np.ndarray) -> float:
    """The mean square of what neither the repeat nor the example explains, of `[n, m]`."""
    n, m = x.shape
    rest = x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean()
    return float((rest**2).sum()) / ((n - 1) * (m - 1))
