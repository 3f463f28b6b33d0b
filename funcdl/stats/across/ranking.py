"""The places of methods on each problem, and scores laid out as problems by methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcdl.types import Array


def problem_ranks(scores: Sequence[Sequence[float]] | Array) -> np.ndarray:
    """Rank the methods on every problem; 1 is the best, and equal scores share their mean rank.

    Two methods that tie for places 2 and 3 both get 2.5, so that every problem hands out the same
    sum of ranks. A score of minus infinity (a method that diverged) is worst.

    Args:
        scores: `[problems, methods]`, larger is better.

    Returns:
        Ranks, `[problems, methods]`.

    Raises:
        ValueError: `scores` is not such a table, or holds NaN.

    Source: Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006),
    section 3.2.2.

    >>> problem_ranks([[0.9, 0.8, 0.8], [float("-inf"), 0.5, 0.7]])
    array([[1. , 2.5, 2.5],
           [3. , 2. , 1. ]])
    """
    x = score_table(scores)
    better = (x[:, None, :] > x[:, :, None]).sum(axis=2)
    equal = (x[:, None, :] == x[:, :, None]).sum(axis=2)
    return better + (equal + 1) / 2


def mean_ranks(scores: Sequence[Sequence[float]] | Array) -> np.ndarray:
    """The mean over problems of each method's rank, `[methods]`; NaN where there is no problem."""
    ranks = problem_ranks(scores)
    return ranks.mean(axis=0) if len(ranks) else np.full(ranks.shape[1], np.nan)


def score_table(scores: Any) -> np.ndarray:
    """`scores` as `[problems, methods]` float64.

    Raises:
        ValueError: it has other than two axes, or holds NaN.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"scores has shape {x.shape}; give (problems, methods)")
    if np.isnan(x).any():
        raise ValueError(
            "scores holds NaN; give minus infinity for a method that diverged, and leave a problem "
            "or a method out where nothing was measured"
        )
    return x
