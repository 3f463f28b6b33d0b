"""Could two samples be of one distribution? The same config, run by two people."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funcdl.stats.interval import vector
from funcdl.types import Array

EXACT = 20_000  # ways to share values out that are all looked at; beyond, as many are drawn
DRAWN = 9_999


class Apart(NamedTuple):
    """How far two samples lie apart.

    distance: Kolmogorov and Smirnov's, the largest difference of the distribution functions, 0 to 1;
        None without values.
    p: the share of ways to share all values out to two samples of these sizes that lie as far apart.
    least: the smallest `p` that samples of these sizes can give; above the level a test errs at,
        no difference can be found.
    reason: why there is no p-value; empty otherwise.
    """

    distance: float | None
    p: float | None
    least: float | None
    reason: str


def same_distribution(
    a: Sequence[float] | Array, b: Sequence[float] | Array, seed: int = 0
) -> Apart:
    """Kolmogorov and Smirnov's two-sample test, by permutation, so that it holds with ties.

    `D = max over x |F_a(x) - F_b(x)|`; the p-value counts the ways to share out the pooled values
    whose D is at least as large, exactly where there are at most 20,000 of them. Infinite values
    take part as the largest and the smallest: a run that diverged is an outcome.

    Args:
        a: `[n]`, one number per repeat.
        b: `[m]`, the other sample's.
        seed: what ways are drawn with, where there are too many to look at all.

    Raises:
        ValueError: an input has more than one axis.

    Source: Smirnov, "Table for estimating the goodness of fit of empirical distributions", Ann.
    Math. Statist. 19 (1948); the permutation as in Pitman, "Significance tests which may be applied
    to samples from any populations", Suppl. J. Roy. Statist. Soc. 4 (1937).

    >>> found = same_distribution([1, 2, 3, 4], [5, 6, 7, 8])
    >>> f"D = {found.distance:.0f}, p = {found.p:.4f}"
    'D = 1, p = 0.0286'
    """
    x, y = vector(a, "a"), vector(b, "b")
    n, m = len(x), len(y)
    if not (n and m):
        return Apart(None, None, None, "no values")
    if np.isnan(x).any() or np.isnan(y).any():
        return Apart(None, None, None, "values that are no numbers")
    ways = math.comb(n + m, n)
    pooled = np.concatenate([x, y])
    order = np.argsort(pooled, kind="stable")
    values = pooled[order]
    last = np.append(values[1:] != values[:-1], True)  # ends of runs of equal values
    mine = order < n
    found = _distances(mine[None, :], last, n, m)[0]
    others = _distances(_ways(n, m, ways, seed), last, n, m)
    far = int((others >= found - 1e-12).sum())
    if ways <= EXACT:
        return Apart(float(found), far / ways, min(1.0, 2 / ways), "")
    return Apart(float(found), (far + 1) / (DRAWN + 1), 1 / (DRAWN + 1), "")


def _ways(n: int, m: int, ways: int, seed: int) -> np.ndarray:
    """`[ways, n + m]`: which of the pooled values the first sample gets."""
    if ways <= EXACT:
        chosen = np.array(list(itertools.combinations(range(n + m), n)), int)
        mine = np.zeros((ways, n + m), bool)
        np.put_along_axis(mine, chosen, True, axis=1)
        return mine
    rng = np.random.default_rng(seed)
    first = np.arange(n + m) < n
    return rng.permuted(np.broadcast_to(first, (DRAWN, n + m)), axis=1)


def _distances(mine: np.ndarray, last: np.ndarray, n: int, m: int) -> np.ndarray:
    """D of each way: `[ways]`."""
    gap = np.cumsum(np.where(mine, 1 / n, -1 / m), axis=1)
    return np.abs(gap[:, last]).max(axis=1)
