"""What a search of another size would have found: the expected best of n trials, from N trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import gammaln

from funcdl.stats.interval import check_level, vector
from funcdl.stats.verdict import Mode
from funcdl.types import Array

Estimator = Literal["unbiased", "replacement"]

ROOM = 2_000_000  # numbers of a bootstrap that are held at once


class BestOf(NamedTuple):
    """The best score that a search of n trials finds, for several n.

    trials: N, how many trials this is estimated from.
    budgets: `[k]` int64, the n.
    expected: `[k]`, the mean best score in the metric's unit; the worst possible value, minus or plus
        infinity, where all n trials may have diverged.
    low, high: `[k]`, the band around it; NaN where there is none.
    lost: `[k]`, the probability that all n trials diverged.
    reason: why there are no numbers or no band; empty when all is well.
    """

    trials: int
    budgets: np.ndarray
    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lost: np.ndarray
    reason: str


def best_of(
    scores: Sequence[float] | Array,
    *,
    mode: Mode,
    budgets: Sequence[int] | Array | None = None,
    estimator: Estimator = "unbiased",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> BestOf:
    """The expected best of n trials out of the N that were made, and a band around it.

    With the scores in ascending order, worst first, the best of n trials is among the first i of
    them with probability `F(i)`, and the expectation is `sum of x(i) (F(i) - F(i - 1))`.

    - `unbiased` draws n of the N trials without replacement, `F(i) = C(i, n) / C(N, n)`: unbiased
      for trials that are independent and alike (Tang et al., 2020).
    - `replacement` draws with replacement, `F(i) = (i / N)^n`: never above the other, and so too low
      in the mean, but it varies less (Dodge et al., 2019; compared by Dodge et al., 2021).

    A trial that diverged, which is any score that is not finite, is not dropped: it is the worst
    of all values, minus infinity where larger is better. The expectation is then infinite for every n
    for which all n trials may have diverged, and for greater n what the others give; no stand-in for
    the value of a diverged trial enters it. `lost` is how probable it is that all n diverged.

    The band is the percentile bootstrap over trials. It cannot see beyond the best trial, so that it is
    too narrow where n comes close to N.

    Args:
        scores: `[N]`, one number per trial, in any order.
        mode: "max" where larger is better, "min" where smaller is.
        budgets: the n to look at, 1 to N; all of them if left out.
        estimator: "unbiased" or "replacement".
        level: coverage of the band, between 0 and 1.
        resamples: of the bootstrap; 0 for no band.
        seed: of the bootstrap.

    Raises:
        ValueError: `scores` has more than one axis; `mode`, `estimator` or `level` is none; or a
            budget is below 1 or above N.

    Source: Dodge, Gururangan, Card, Schwartz and Smith, "Show your work" (2019), eq. 5 to 7; Tang et
    al., "Showing your work doesn't always work" (2020), section 3; Dodge et al., "Expected validation
    performance and estimation of a random variable's maximum" (2021).

    >>> found = best_of([0.1, 0.4, 0.35, 0.8, 0.75], mode="max")
    >>> found.expected.round(3).tolist()
    [0.48, 0.66, 0.745, 0.79, 0.8]
    >>> best_of([2.0, float("nan"), 4.0], mode="min", resamples=0).expected.round(3).tolist()
    [inf, 2.667, 2.0]
    """
    ordered, lost = _worst_first(scores, mode)
    check_level(level)
    n = len(ordered)
    wanted = _budgets(budgets, n)
    if n == 0:
        nothing = np.full(len(wanted), np.nan)
        return BestOf(0, wanted, nothing, nothing, nothing, nothing, "no trials")
    odds = within(n, wanted, estimator)
    sign = 1.0 if mode == "max" else -1.0
    expected = _expected(ordered[None], np.array([lost]), odds)[0]
    low, high, reason = _band(ordered, lost, odds, level, resamples, seed)
    ends = (low, high) if mode == "max" else (-high, -low)
    return BestOf(n, wanted, sign * expected, *ends, odds[:, lost], reason)


def wins(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    budgets: Sequence[int] | Array,
    *,
    mode: Mode,
) -> np.ndarray:
    """How often the best of n trials of a beats the best of n trials of b; a tie counts half.

    Exact for n trials drawn with replacement from those that were made: without, n = N would be one
    single draw, and every lead a certain one. It looks at ranks alone, so that outliers do not count
    for more than others; diverged trials (scores that are not finite) lose against all others and
    tie with each other.

    Args:
        a: `[N]`, one score per trial.
        b: `[M]`, the other method's.
        budgets: `[k]`, the n, 1 to the smaller of N and M.
        mode: "max" where larger is better, "min" where smaller is.

    Returns:
        `[k]` probabilities; NaN where a method has no trials.

    Raises:
        ValueError: as for `best_of`.

    >>> wins([0.9, 0.7], [0.8, 0.6], [1, 2], mode="max").tolist()
    [0.75, 0.8125]
    """
    x, lost_x = _worst_first(a, mode)
    y, lost_y = _worst_first(b, mode)
    wanted = _budgets(budgets, min(len(x), len(y)))
    if not len(x) or not len(y):
        return np.full(len(wanted), np.nan)
    x[:lost_x], y[:lost_y] = -np.inf, -np.inf
    chance = np.diff(within(len(x), wanted, "replacement"), axis=1)  # that x[i] is a's best
    odds = within(len(y), wanted, "replacement")
    below = odds[:, np.searchsorted(y, x, side="left")]
    equal_too = odds[:, np.searchsorted(y, x, side="right")]
    return (chance * (below + equal_too) / 2).sum(axis=1)


def within(n: int, budgets: np.ndarray, estimator: Estimator) -> np.ndarray:
    """`F[k, i]`: the probability that the best of `budgets[k]` trials is among the worst i of n.

    Args:
        n: how many trials there are.
        budgets: `[k]`, each 1 to n.
        estimator: "unbiased" or "replacement".

    Returns:
        `[k, n + 1]`, rising from 0 to 1 in each row.

    Raises:
        ValueError: for another estimator.

    >>> within(3, np.array([2]), "unbiased").round(3).tolist()
    [[0.0, 0.0, 0.333, 1.0]]
    """
    i, k = np.arange(n + 1.0)[None], np.asarray(budgets, dtype=np.float64)[:, None]
    if estimator == "replacement":
        return (i / n) ** k
    if estimator != "unbiased":
        raise ValueError(f"estimator is {estimator!r}; allowed: 'unbiased', 'replacement'")
    fits = np.maximum(i, k)  # where i < k there is no choice, and the logarithm no meaning
    # C(i, k) / C(n, k) in logarithms: the binomials themselves overflow from n = 1030 on.
    here = gammaln(fits + 1) - gammaln(fits - k + 1)
    there = gammaln(n + 1.0) - gammaln(n - k + 1)
    return np.where(i < k, 0.0, np.exp(here - there))


def _worst_first(scores: Sequence[float] | Array, mode: Mode) -> tuple[np.ndarray, int]:
    """The scores with their sign such that larger is better, ascending; and how many diverged.

    The diverged ones come first, with the value of the worst that did not, so that arithmetic stays
    finite; whoever uses them accounts for their number.
    """
    if mode not in ("max", "min"):
        raise ValueError(f"mode is {mode!r}; allowed: 'max', 'min'")
    x = vector(scores, "scores")
    fine = np.sort(x[np.isfinite(x)] * (1.0 if mode == "max" else -1.0))
    lost = len(x) - len(fine)
    return np.concatenate([np.full(lost, fine[0] if len(fine) else 0.0), fine]), lost


def _budgets(budgets: Sequence[int] | Array | None, n: int) -> np.ndarray:
    wanted = np.arange(1, n + 1) if budgets is None else np.asarray(budgets, dtype=np.int64)
    if wanted.ndim != 1 or (n and wanted.size and not 1 <= wanted.min() <= wanted.max() <= n):
        raise ValueError(f"budgets are {budgets}; allowed: whole numbers from 1 to {n} trials")
    return wanted


def _expected(x: np.ndarray, lost: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """The expectation of each row of `[r, N]` ascending scores, `[r, k]`.

    Summed by parts, `x(N) - sum of F(i) (x(i + 1) - x(i))`: equal scores give exactly that score, and
    n = N exactly the best.
    """
    scale = np.abs(x[:, [0, -1]]).max(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)  # so that no difference overflows
    unit = x / scale
    mean = unit[:, -1:] - np.diff(unit, axis=1) @ odds[:, 1:-1].T
    return np.where(odds.T[lost] > 0, -np.inf, mean * scale)


def _band(
    x: np.ndarray, lost: int, odds: np.ndarray, level: float, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """The percentile bootstrap's ends; quantiles are values that occurred, since some are infinite."""
    none = np.full(len(odds), np.nan)
    if len(x) == 1 or resamples < 1:
        return none, none, "one trial has no band" if len(x) == 1 else ""
    random = np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, rows := max(1, ROOM // len(x))):
        size = (min(rows, resamples - start), len(x))
        chosen = np.sort(random.integers(len(x), size=size, dtype=np.int32), axis=1)
        drawn.append(_expected(x[chosen], (chosen < lost).sum(axis=1), odds))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(np.concatenate(drawn), tails, axis=0, method="inverted_cdf")
    return low, high, ""
