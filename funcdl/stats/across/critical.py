"""Which mean ranks lie far enough apart? Critical differences, and z-tests against one method."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from funcdl.stats.multiple import holm
from funcdl.types import Array

GRID = np.linspace(-9.0, 9.0, 1201)


def nemenyi(methods: int, problems: int, alpha: float = 0.05) -> float:
    """The difference of mean ranks that all pairs are held against, Nemenyi's.

    `CD = q sqrt(k (k + 1) / (6 N))`, with q the upper quantile of the range of k independent standard
    normals, over the square root of two. Its outcome for two methods depends on which others are in
    the pool; a pairwise test (`funcdl.stats.across.pairwise`) does not.

    Args:
        methods: k, at least 2.
        problems: N, at least 1.
        alpha: the family's error rate.

    Raises:
        ValueError: too few methods or problems, or `alpha` is not between 0 and 1.

    Source: Nemenyi, "Distribution-free multiple comparisons", PhD thesis, Princeton (1963); Demšar,
    JMLR 7 (2006), section 3.2.2 and table 5(a).

    >>> f"{nemenyi(4, 14):.3f} {nemenyi(4, 14, alpha=0.1):.3f}"
    '1.254 1.118'
    """
    return range_quantile(methods, alpha) / math.sqrt(2) * standard_error(methods, problems)


def bonferroni_dunn(methods: int, problems: int, alpha: float = 0.05) -> float:
    """The difference of mean ranks from one control method, k - 1 comparisons (Bonferroni-Dunn).

    Arguments, errors and source as for `nemenyi` (Demšar's table 5(b)).

    >>> f"{bonferroni_dunn(4, 14) / standard_error(4, 14):.3f}"
    '2.394'
    """
    _check(methods, problems, alpha)
    return float(ndtri(1 - alpha / (2 * (methods - 1)))) * standard_error(methods, problems)


def standard_error(methods: int, problems: int) -> float:
    """Of a difference of two mean ranks: `sqrt(k (k + 1) / (6 N))`."""
    _check(methods, problems, 0.5)
    return math.sqrt(methods * (methods + 1) / (6 * problems))


@functools.lru_cache(maxsize=64)
def range_quantile(methods: int, alpha: float) -> float:
    """The upper `alpha` quantile of the studentized range of k normals with known variance.

    The distribution is `F(q) = k int phi(z) (Phi(z) - Phi(z - q))^(k-1) dz`; the integrand vanishes
    with all its derivatives at both ends, where the trapezium rule is exact to rounding.

    Raises:
        ValueError: fewer than 2 methods, or `alpha` is not between 0 and 1.
    """
    _check(methods, 1, alpha)
    density = np.exp(-(GRID**2) / 2) / math.sqrt(2 * math.pi) * (GRID[1] - GRID[0])
    low, high = 0.0, 20.0
    for _ in range(60):
        q = (low + high) / 2
        inside = methods * float(density @ (ndtr(GRID) - ndtr(GRID - q)) ** (methods - 1))
        low, high = (q, high) if inside < 1 - alpha else (low, q)
    return (low + high) / 2


def cliques(ranks: Sequence[float] | Array, difference: float) -> list[tuple[int, ...]]:
    """Groups of methods whose mean ranks lie within the critical difference of each other.

    Args:
        ranks: `[methods]`, mean ranks.
        difference: the critical difference.

    Returns:
        Maximal groups of at least two methods, as places in `ranks`, best first.

    >>> cliques([1.0, 3.0, 1.5, 2.2], difference=1.0)
    [(0, 2), (2, 3), (3, 1)]
    """
    x = np.asarray(ranks, dtype=np.float64)
    order = [int(i) for i in np.argsort(x, kind="stable")]
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and x[order[end]] - x[order[start]] < difference:
            end += 1
        if end - start > 1 and end > reached:
            found.append(tuple(order[start:end]))
        reached = max(reached, end)
    return found


class AgainstControl(NamedTuple):
    """A method against the control: the difference of mean ranks in standard errors, and its p."""

    method: int
    z: float
    p: float
    p_holm: float


def against_control(
    ranks: Sequence[float] | Array, problems: int, control: int
) -> list[AgainstControl]:
    """Test each method's mean rank against a control's, Holm over the tests.

    `z = (R_control - R_i) / sqrt(k (k + 1) / (6 N))`: positive where the method ranks better.

    Args:
        ranks: `[methods]`, mean ranks over all `problems`.
        problems: N.
        control: the place of the control in `ranks`.

    Raises:
        ValueError: fewer than 2 methods, no problem, or no such place.

    Source: Demšar, JMLR 7 (2006), section 3.2.2.
    """
    x = np.asarray(ranks, dtype=np.float64)
    if not 0 <= control < len(x):
        raise ValueError(f"control is {control}; allowed: 0 to {len(x) - 1}")
    others = [i for i in range(len(x)) if i != control]
    z = [(float(x[control] - x[i])) / standard_error(len(x), problems) for i in others]
    p = [2 * float(ndtr(-abs(one))) for one in z]
    adjusted = [1.0 if one is None else one for one in holm(p)]
    return [AgainstControl(*row) for row in zip(others, z, p, adjusted, strict=True)]


def _check(methods: int, problems: int, alpha: float) -> None:
    if methods < 2 or problems < 1:
        raise ValueError(
            f"{methods} methods on {problems} problems; at least 2 methods and 1 problem are needed"
        )
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; allowed: between 0 and 1, such as 0.05")
