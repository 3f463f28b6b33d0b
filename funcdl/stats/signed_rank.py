"""Wilcoxon's signed-rank test of pairs, and when it can decide nothing.

Over problems it is the test of an answer (`stats.across.pairwise`); over repeats it stands beside the
t-test as a description (`stats.nonparametric`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from funcdl.stats.interval import vector
from funcdl.types import Array

EXACT = 200  # pairs up to which the distribution is counted out


class SignedRank(NamedTuple):
    """Wilcoxon's signed-rank test of a against b; None where a number cannot be given.

    n: how many pairs.
    wins, losses: pairs in which a, or b, is larger.
    plus, minus: the sums of the ranks in favour of a and of b; a difference of 0 is split.
    p: two-sided.
    least: the smallest p that so many pairs with so many zeros could have given.
    reason: why there is no test; empty when there is one.
    """

    n: int
    wins: int
    losses: int
    plus: float | None
    minus: float | None
    p: float | None
    least: float
    reason: str


def signed_rank(
    a: Sequence[float] | Array, b: Sequence[float] | Array, *, exact: bool | None = None
) -> SignedRank:
    """Test whether the differences `a - b` are symmetric about 0.

    The differences are ranked by size, equal sizes sharing their mean rank. Ranks of zero differences
    are split evenly between both sums, so that ties count for neither method. The exact p-value counts
    all assignments of signs to the other differences, ties included; the approximate one takes
    the normal distribution with variance `sum r^2 / 4`.

    Args:
        a: `[n]`, one number per pair, such as a problem; infinite where a method diverged. Two
            infinities of the same sign count as equal.
        b: `[n]`, the other method's, in the same order.
        exact: count the signs out (possible up to any n, in time n^3); None: up to 200 pairs.

    Raises:
        ValueError: lengths differ, or an input has more than one axis or holds NaN.

    Source: Wilcoxon, Biometrics Bulletin 1 (1945); Demšar, JMLR 7 (2006), section 3.1.3.

    >>> signed_rank([5, 4, 6, 7, 8, 9], [4, 2, 3, 3, 3, 3]).p
    0.03125
    >>> signed_rank([5, 4, 6, 7, 8], [4, 2, 3, 3, 3]).least
    0.0625
    """
    d = differences(a, b)
    n, wins, losses = len(d), int((d > 0).sum()), int((d < 0).sum())
    least = smallest_p(wins + losses)
    if n == 0:
        return SignedRank(0, 0, 0, None, None, None, 1.0, "no common problems")
    ranks = _midranks(np.abs(d))
    split = float(ranks[d == 0].sum()) / 2
    plus, minus = float(ranks[d > 0].sum()) + split, float(ranks[d < 0].sum()) + split
    if not wins + losses:
        reason = "all differences are 0, so there is nothing to test"
        return SignedRank(n, 0, 0, plus, minus, None, 1.0, reason)
    count = n <= EXACT if exact is None else exact
    p = _counted(ranks[d != 0], min(plus, minus) - split) if count else _normal(ranks, plus, minus)
    return SignedRank(n, wins, losses, plus, minus, p, least, "")


def differences(a: Sequence[float] | Array, b: Sequence[float] | Array) -> np.ndarray:
    """Returns `a - b`, `[n]`; infinities of the same sign count as equal.

    Raises:
        ValueError: lengths differ, or an input has more than one axis or holds NaN.
    """
    x, y = vector(a, "a"), vector(b, "b")
    if len(x) != len(y):
        raise ValueError(f"a has {len(x)} problems and b {len(y)}; give those both have")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(
            "NaN given; leave the problem out, or give an infinite score if it diverged"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(x == y, 0.0, x - y)


def smallest_p(pairs: int, tests: int = 1) -> float:
    """The smallest two-sided p that signs alone can give, times the number of tests, at most 1.

    >>> smallest_p(5), smallest_p(6), smallest_p(6, tests=3)
    (0.0625, 0.03125, 0.09375)
    """
    return min(1.0, tests * 2.0 ** (1 - pairs)) if pairs else 1.0


def problems_needed(tests: int, alpha: float = 0.05) -> int:
    """From how many problems on the first of `tests` tests can be significant under Holm.

    >>> problems_needed(1), problems_needed(3), problems_needed(36)
    (6, 7, 11)
    """
    n = 1
    while not smallest_p(n, tests) < alpha:
        n += 1
    return n


def _midranks(sizes: np.ndarray) -> np.ndarray:
    """Ranks of `[n]` numbers from 1 for the smallest; equal ones share their mean rank."""
    _, place, count = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place.ravel()]


def _counted(ranks: np.ndarray, smaller: float) -> float:
    """Twice the share of sign assignments whose sum is at most `smaller`; sums in half units."""
    doubled = np.rint(2 * ranks).astype(int)
    share = np.zeros(int(doubled.sum()) + 1)
    share[0] = 1.0
    for step in doubled:
        moved = share / 2
        share = moved.copy()
        share[step:] += moved[: len(moved) - step]
    return float(min(1.0, 2 * share[: round(2 * smaller) + 1].sum()))


def _normal(ranks: np.ndarray, plus: float, minus: float) -> float:
    z = (min(plus, minus) - (plus + minus) / 2) / math.sqrt(float(np.square(ranks).sum()) / 4)
    return min(1.0, 2 * float(ndtr(z)))
