"""The AlgoPerf score: who reaches the target how much later than the fastest, over all problems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from funcdl.types import Array


def median_time(times: Sequence[float] | Array) -> float:
    """The median time of a method's repeats on a problem; a miss is infinite and takes part.

    >>> median_time([3.0, 5.0, float("inf")]), median_time([3.0, float("inf"), float("inf")])
    (5.0, inf)

    Raises:
        ValueError: no times, a negative one, or NaN.
    """
    x = _times(times)
    if x.ndim != 1 or not len(x):
        raise ValueError(f"times has shape {x.shape}; give one per repeat, at least one")
    return float(np.median(x))


def time_ratios(times: Sequence[Sequence[float]] | Array) -> np.ndarray:
    """Each method's time over the fastest one's, per problem; infinite for a miss.

    The ratio is relative to the pool: adding a faster method makes all others look slower.

    Args:
        times: `[methods, problems]`, infinite for a miss.

    Returns:
        `[methods, problems]`, at least 1; infinite for all where nobody reached the target.

    Raises:
        ValueError: other than two axes, a negative time, or NaN.
    """
    x = _times(times)
    if x.ndim != 2:
        raise ValueError(f"times has shape {x.shape}; give (methods, problems)")
    fastest = x.min(axis=0, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(x == fastest, 1.0, x / fastest)
    return np.where(np.isinf(x), np.inf, ratios)


def algoperf_score(times: Sequence[Sequence[float]] | Array, longest: float = 4.0) -> np.ndarray:
    """The area under each method's performance profile of time ratios, between 0 and 1.

    The profile `rho(tau)` is the share of problems on which the ratio to the fastest is at most tau;
    the score is its mean over tau from 1 to `longest`. The area is
    `1 / (n (longest - 1)) sum max(0, longest - ratio)` exactly; no grid is needed.

    Args:
        times: `[methods, problems]`, seconds or steps to the target, infinite for a miss.
        longest: the ratio from which on a time earns nothing.

    Returns:
        `[methods]`; NaN where there is no problem.

    Raises:
        ValueError: `longest` is not above 1 and finite, or as `time_ratios`.

    Source: Dahl et al., "Benchmarking neural network training algorithms" (2023), section 4.5, whose
    grid of points this replaces.

    >>> algoperf_score([[1, 2, np.inf], [2, 1, 3], [8, 4, 1]]).round(6)
    array([0.555556, 0.666667, 0.333333])
    """
    if not 1 < longest < np.inf:
        raise ValueError(f"longest is {longest}; allowed: finite and above 1, such as 4")
    ratios = time_ratios(times)
    methods, problems = ratios.shape
    if not problems:
        return np.full(methods, np.nan)
    return np.maximum(0.0, longest - ratios).sum(axis=1) / (problems * (longest - 1))


def _times(times: Sequence[Sequence[float]] | Sequence[float] | Array) -> np.ndarray:
    x = np.asarray(times, dtype=np.float64)
    if np.isnan(x).any() or (x < 0).any():
        raise ValueError("times must not be negative or NaN; give infinity for a miss")
    return x
