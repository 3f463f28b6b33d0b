"""How often one method beats the other: P(A > B), an effect size and never a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtri

from funcdl.stats.interval import check_level, vector
from funcdl.stats.verdict import Mode
from funcdl.types import Array


class Superiority(NamedTuple):
    """The chance that a run of a is better than the paired run of b; None where there is none.

    estimate: between 0 and 1; a tie counts as half.
    low, high: its interval.
    reason: why a number is missing; empty when there is one.
    """

    estimate: float | None
    low: float | None
    high: float | None
    reason: str


def superiority(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    mode: Mode = "max",
    level: float = 0.95,
) -> Superiority:
    """The share of paired repeats in which a is better than b, ties counted half.

    `mean(1[a > b] + 1/2 1[a = b])`, with Clopper and Pearson's interval for its `k` wins out of
    `n`, read from the beta distribution so that half wins have a place between whole ones. Over
    all chances of a win and of a tie it covers in at least 97.6, 97.5 and 96.1 % of cases at
    n = 3, 5 and 10 (computed exactly); Wilson's and Jeffreys' intervals fall to 83 and 87 %, and the
    percentile bootstrap has no width when a wins every repeat. The price: five wins out of five still
    allow 0.48.

    An effect size: an interval above 1/2 is not used as a test, since the difference and its own
    test say more.

    Args:
        a: `[n]`, one number per repeat; an infinite one takes its place in the order.
        b: `[n]`, the other method's number on the same repeats, in the same order.
        mode: "max" where larger is better, "min" where smaller is.
        level: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: the lengths differ, an input has more than one axis, or `mode` or `level` is
            none.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of
    the binomial", Biometrika 26 (1934); P(A > B) after Bouthillier et al., "Accounting for variance
    in machine learning benchmarks", MLSys 2021.

    >>> a, b = [0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.92, 0.93, 0.91, 0.89]
    >>> found = superiority(a, b, "max")
    >>> f"{found.estimate} [{found.low:.2f}, {found.high:.2f}]"
    '0.8 [0.28, 0.99]'
    """
    x, y = vector(a, "a"), vector(b, "b")
    check_level(level)
    if len(x) != len(y):
        raise ValueError(f"a has {len(x)} repeats and b {len(y)}; give the repeats both have")
    wins = _wins(x, y, mode)
    reason = _unordered(x, y)
    if reason:
        return Superiority(None, None, None, reason)
    n, k = len(x), float(wins.sum())
    tail = (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Superiority(k / n, low, high, "")


def all_pairs(
    a: Sequence[float] | Array, b: Sequence[float] | Array, mode: Mode = "max"
) -> float | None:
    """The share of all pairs, not only the paired repeats, in which a is better, ties counted half.

    Mann and Whitney's `U / (n m)`: for repeats that share nothing. None without values, or with one
    that is not a number.

    Args:
        a: `[n]`, one number per repeat.
        b: `[m]`, the other method's numbers.
        mode: "max" where larger is better, "min" where smaller is.

    Raises:
        ValueError: an input has more than one axis, or `mode` is none.

    Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically
    larger than the other", Ann. Math. Statist. 18 (1947).

    >>> round(all_pairs([0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.92, 0.93, 0.91, 0.89]), 2)
    0.68
    """
    x, y = vector(a, "a"), vector(b, "b")
    wins = _wins(x[:, None], y[None, :], mode)
    return None if _unordered(x, y) else float(wins.mean())


def noether(gamma: float, alpha: float = 0.05, beta: float = 0.05) -> float:
    """How many pairs show that P(A > B) is above 1/2 when it is `gamma`; round up.

    `((q(1 - alpha) - q(beta)) / (sqrt(6) (1/2 - gamma)))^2` with q the normal quantile; infinite for
    `gamma` = 1/2.

    Args:
        gamma: the chance of a win that matters, between 0 and 1.
        alpha: error rate of the one-sided test.
        beta: chance to miss it.

    Raises:
        ValueError: an argument is not between 0 and 1, both excluded.

    Source: Noether, "Sample size determination for some common nonparametric tests", JASA 82
    (1987).

    >>> round(noether(0.75), 2)
    28.86
    """
    for name, value in (("gamma", gamma), ("alpha", alpha), ("beta", beta)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value}; allowed: between 0 and 1, both excluded")
    if gamma == 0.5:
        return math.inf
    distance = float(ndtri(1 - alpha) - ndtri(beta))
    return (distance / (math.sqrt(6) * (0.5 - gamma))) ** 2


def _wins(x: np.ndarray, y: np.ndarray, mode: Mode) -> np.ndarray:
    """1 where x is better than y, 1/2 where they are equal, 0 elsewhere."""
    if mode not in ("max", "min"):
        raise ValueError(f"mode is {mode!r}; allowed: 'max', 'min'")
    better = x > y if mode == "max" else x < y
    return better + 0.5 * (x == y)


def _unordered(x: np.ndarray, y: np.ndarray) -> str:
    if not len(x) or not len(y):
        return "no common repeats"
    missing = int(np.isnan(x).sum() + np.isnan(y).sum())
    return f"{missing} of {len(x) + len(y)} values are not numbers" if missing else ""
