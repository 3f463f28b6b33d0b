"""Tests that assume no shape of the distribution, and the smallest p-value they can reach.

Beside the t-test they are descriptive: at the handful of repeats a study has they say little, and
below six pairs nothing at all. A test that can never reach `alpha` is refused with that reason,
which is not the same as "no difference was found".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funcdl.stats import signed_rank
from funcdl.stats.interval import ROUNDING, vector
from funcdl.types import Array

EXACT = 17  # pairs up to which all 2^n signs are tried
ENUMERATED = 200_000  # divisions of two groups up to which all are tried
DRAWS = 100_000  # arrangements sampled beyond that


class Ranked(NamedTuple):
    """A test without a distribution; None where there is none.

    n: pairs, or values of both groups, that entered.
    p: two-sided.
    smallest: the smallest p-value that so many pairs can give.
    exact: whether all arrangements were counted, not a sample of them.
    reason: why there is no p-value; empty when there is one.
    """

    n: int
    p: float | None
    smallest: float | None
    exact: bool
    reason: str


def sign_flip(
    a: Sequence[float] | Array, b: Sequence[float] | Array, alpha: float = 0.05
) -> Ranked:
    """Fisher's randomisation test of paired repeats: how often do random signs sum as far?

    Under the hypothesis that the differences `d = a - b` are symmetric about 0 every sign was as
    likely as the other. p is the share of all 2^n sign patterns whose `|sum|` is at least that of
    the data; above 17 pairs of 100,000 patterns drawn with a fixed seed, the data's own included.

    Args:
        a: `[n]`, one number per repeat.
        b: `[n]`, the other method's number on the same repeats, in the same order.
        alpha: the error rate asked for; a test that cannot reach it is refused.

    Raises:
        ValueError: the lengths differ, an input has more than one axis, or `alpha` is not between 0
            and 1.

    Source: Fisher, "The design of experiments" (1935), section 21.

    >>> a, b = [0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.92, 0.93, 0.91, 0.89]
    >>> sign_flip(a, b, alpha=0.1).p
    0.3125
    >>> sign_flip(a, b).reason
    '5 pairs that differ give no p-value below 0.0625, so 0.05 cannot be reached'
    """
    d, refusal = _differences(a, b, alpha)
    if refusal:
        return refusal
    n, size = len(d), np.sort(np.abs(d))
    edge = abs(math.fsum(d.tolist())) - n * ROUNDING
    if n <= EXACT:
        sums = np.zeros(1)
        for value in size[1:]:  # the first sign is fixed: the other half of the patterns mirrors
            sums = np.concatenate([sums + value, sums - value])
        reached = np.abs(sums + size[0]) >= edge
        return Ranked(n, float(reached.mean()), 2.0 ** (1 - n), True, "")
    rng = np.random.default_rng(0)
    reached = 1
    for _ in range(10):
        signs = rng.integers(0, 2, size=(DRAWS // 10, n), dtype=np.int8) * 2 - 1
        reached += int((np.abs(signs @ size) >= edge).sum())
    return Ranked(n, reached / (DRAWS + 1), 2.0 ** (1 - n), False, "")


def wilcoxon(a: Sequence[float] | Array, b: Sequence[float] | Array, alpha: float = 0.05) -> Ranked:
    """Wilcoxon's signed-rank test of paired repeats, by `funcdl.stats.signed_rank`.

    Pairs without a difference are left out, and sizes that agree up to rounding share their mean rank.
    Up to 200 pairs the p-value is exact, with ties as well; beyond, that of the normal approximation.

    Args:
        a: `[n]`, one number per repeat.
        b: `[n]`, the other method's number on the same repeats, in the same order.
        alpha: the error rate asked for; a test that cannot reach it is refused, which is always so
            at five pairs or fewer for 0.05.

    Raises:
        ValueError: the lengths differ, an input has more than one axis, or `alpha` is not between 0
            and 1.

    Source: Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945).

    >>> wilcoxon([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]).p
    0.03125
    """
    d, refusal = _differences(a, b, alpha)
    if refusal:
        return refusal
    n = len(d)
    found = signed_rank.signed_rank(np.sign(d) * _levels(np.abs(d)), np.zeros(n))
    return Ranked(n, found.p, signed_rank.smallest_p(n), n <= signed_rank.EXACT, "")


def permutation(
    a: Sequence[float] | Array, b: Sequence[float] | Array, alpha: float = 0.05
) -> Ranked:
    """The permutation test of two groups that share nothing: the difference of their means.

    p is the share of all ways to divide the values into groups of these sizes whose difference of
    means is at least as far from 0; above 200,000 ways of 100,000 drawn with a fixed seed.

    Args:
        a: `[n]`, one number per repeat.
        b: `[m]`, the other method's numbers.
        alpha: the error rate asked for; a test that cannot reach it is refused.

    Raises:
        ValueError: an input has more than one axis, or `alpha` is not between 0 and 1.

    Source: Pitman, "Significance tests which may be applied to samples from any populations", Suppl.
    J. R. Statist. Soc. 4 (1937).

    >>> a, b = [0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.92, 0.93, 0.91, 0.89]
    >>> round(permutation(a, b).p, 6)
    0.412698
    """
    x, y = vector(a, "a"), vector(b, "b")
    _check(alpha)
    n, m = len(x), len(y)
    if not (n and m):
        return Ranked(n + m, None, None, True, "no values in one of the groups")
    pooled = np.sort(np.concatenate([x, y]))
    if not np.isfinite(pooled).all():
        bad = int((~np.isfinite(pooled)).sum())
        return Ranked(n + m, None, None, True, f"{bad} of {n + m} values are not finite")
    if pooled[0] == pooled[-1]:
        return Ranked(n + m, None, None, True, f"all {n + m} values are equal")
    ways = math.comb(n + m, n)
    smallest = (2 if n == m else 1) / ways
    if smallest >= alpha:
        return Ranked(
            n + m, None, smallest, True, _unreachable(f"{n} and {m} values", smallest, alpha)
        )
    scale = float(np.abs(pooled).max())
    middle = float((pooled / scale).mean())
    centred = pooled / scale - middle  # so that a group's sum alone is as far from 0 as it is apart
    edge = abs(math.fsum((x / scale - middle).tolist())) - (n + m) * ROUNDING
    if ways <= ENUMERATED:
        groups = np.fromiter(
            itertools.chain.from_iterable(itertools.combinations(range(n + m), n)), dtype=np.intp
        ).reshape(-1, n)
        reached = np.abs(centred[groups].sum(axis=1)) >= edge
        return Ranked(n + m, float(reached.mean()), smallest, True, "")
    rng = np.random.default_rng(0)
    hits = 1
    for _ in range(10):
        groups = rng.permuted(np.tile(centred, (DRAWS // 10, 1)), axis=1)[:, :n]
        hits += int((np.abs(groups.sum(axis=1)) >= edge).sum())
    return Ranked(n + m, hits / (DRAWS + 1), smallest, False, "")


def _differences(
    a: Sequence[float] | Array, b: Sequence[float] | Array, alpha: float
) -> tuple[np.ndarray, Ranked | None]:
    """The differences that are not 0, in units of the largest value; or the refusal of a test.

    What differs by a few units in the last place of float32 counts as equal, as in `paired_t`.
    """
    x, y = vector(a, "a"), vector(b, "b")
    _check(alpha)
    if len(x) != len(y):
        raise ValueError(f"a has {len(x)} repeats and b {len(y)}; give the repeats both have")
    if not len(x):
        return x, Ranked(0, None, None, True, "no common repeats")
    bad = int((~(np.isfinite(x) & np.isfinite(y))).sum())
    if bad:
        return x, Ranked(len(x), None, None, True, f"{bad} of {len(x)} pairs are not finite")
    scale = max(float(np.abs(x).max()), float(np.abs(y).max())) or 1.0
    d = x / scale - y / scale
    d = d[np.abs(d) > ROUNDING]
    if not len(d):
        return d, Ranked(0, None, None, True, f"all {len(x)} differences are 0")
    smallest = 2.0 ** (1 - len(d))
    if smallest >= alpha:
        reason = _unreachable(f"{len(d)} pairs that differ", smallest, alpha)
        return d, Ranked(len(d), None, smallest, True, reason)
    return d, None


def _unreachable(what: str, smallest: float, alpha: float) -> str:
    return f"{what} give no p-value below {smallest:.3g}, so {alpha:g} cannot be reached"


def _levels(sizes: np.ndarray) -> np.ndarray:
    """1 for the smallest of `[n]` sizes, 2 for the next, and so on; equal up to rounding is the same."""
    ordered = np.sort(sizes)
    level = np.concatenate([[1], 1 + np.cumsum(np.diff(ordered) > ROUNDING)])
    return level[np.searchsorted(ordered, sizes)]


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; allowed: between 0 and 1, such as 0.05")
