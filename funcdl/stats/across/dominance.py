"""Almost stochastic order: is one method's whole distribution of scores above the other's?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from funcdl.stats.interval import vector
from funcdl.types import Array

REPETITIONS = 1_000


class Dominance(NamedTuple):
    """How far a falls short of dominating b; None where it cannot be given.

    n, m: how many runs.
    violation: 0 where every quantile of a is at least b's, 1 where none is, .5 for neither.
    bound: its upper confidence bound; below .5 a is almost stochastically larger, and the smaller
        the more so.
    reason: why a number is missing.
    """

    n: int
    m: int
    violation: float | None
    bound: float | None
    reason: str


def almost_stochastic_order(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    *,
    alpha: float = 0.05,
    tests: int = 1,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Dominance:
    """Compare all quantiles of two methods' scores, not only their means.

    With quantile functions `A` and `B`, the violation is
    `int_{A < B} (A - B)^2 / int (A - B)^2`: the share of their squared distance where b is ahead. Its
    upper bound is `violation - sqrt((n + m) / (n m)) s Phi^-1(alpha / tests)`, with `s` the deviation
    of `sqrt(n m / (n + m)) violation` over bootstrap samples. Quantile functions of samples are
    steps, so the integrals are sums. The bound is asymptotic: with a handful of runs it is a
    description, no test.

    Args:
        a: `[n]` scores of runs on one problem, larger is better.
        b: `[m]`, the other method's.
        alpha: error rate of the bound.
        tests: how many are made; Bonferroni's correction divides alpha by it.
        repetitions: bootstrap samples.
        seed: of the resampling; the order of runs does not matter.

    Raises:
        ValueError: `alpha` is not between 0 and 1, or fewer than one test or repetition.

    Source: del Barrio, Cuesta-Albertos and Matrán, "An optimal transportation approach for assessing
    almost stochastic order" (2018); Dror, Shlomov and Reichart, ACL (2019), section 4.

    >>> found = almost_stochastic_order([0.9, 0.8, 0.95, 0.85], [0.5, 0.6, 0.55, 0.7])
    >>> found.violation, found.bound
    (0.0, 0.0)
    """
    x, y = np.sort(vector(a, "a")), np.sort(vector(b, "b"))
    if not 0 < alpha < 1 or tests < 1 or repetitions < 1:
        raise ValueError(
            f"alpha is {alpha}, tests {tests}, repetitions {repetitions}; allowed: between 0 and 1, "
            "from 1 on, from 1 on"
        )
    n, m = len(x), len(y)
    if min(n, m) < 2:
        return Dominance(n, m, None, None, "at least 2 runs of each method are needed")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return Dominance(n, m, None, None, "not all scores are finite")
    violation = float(_violation(x[None], y[None])[0])
    if np.isnan(violation):
        return Dominance(n, m, None, None, "both methods have the same scores")
    rng = np.random.default_rng(seed)
    again = _violation(
        np.sort(x[rng.integers(0, n, (repetitions, n))], axis=1),
        np.sort(y[rng.integers(0, m, (repetitions, m))], axis=1),
    )
    again = again[~np.isnan(again)]
    spread = float(again.std()) if len(again) else 0.0  # the square roots cancel
    bound = violation - spread * float(ndtri(alpha / tests))
    return Dominance(n, m, violation, float(np.clip(bound, 0.0, 1.0)), "")


def _violation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of sorted scores `[rows, n]` and `[rows, m]`; NaN where the two are the same."""
    n, m = x.shape[1], y.shape[1]
    # In units of 1 / (n m) both step functions jump at whole numbers.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    width = np.diff(ends, prepend=0)
    square = width * (x[:, (ends - 1) // m] - y[:, (ends - 1) // n]) ** 2
    behind = x[:, (ends - 1) // m] < y[:, (ends - 1) // n]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (square * behind).sum(axis=1) / square.sum(axis=1)
