"""Performance profiles: which share of runs scores above each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from funcdl.stats.across.aggregate import in_order
from funcdl.stats.interval import check_level
from funcdl.types import Array

REPETITIONS = 2_000
CHUNK = 4_000_000


class Profile(NamedTuple):
    """A method's run-score profile; all `[levels]`.

    levels: the scores asked about.
    share: of runs that score above, strictly.
    low, high: the pointwise bootstrap band.
    """

    levels: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def run_profile(
    scores: Sequence[Sequence[float] | Array],
    levels: Sequence[float] | Array,
    *,
    level: float = 0.95,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Profile:
    """The share of all runs on all problems that score above each of some levels.

    One curve above another everywhere is better at every level; curves that cross show a choice, say
    between reliable and sometimes brilliant. The band resamples runs within each problem.

    Args:
        scores: `scores[problem]`, the runs' scores on a common scale.
        levels: `[levels]`, ascending.
        level: coverage of the band at each point.
        repetitions: how often to resample.
        seed: of the resampling; the order of problems and runs does not matter.

    Returns:
        The profile; without runs all shares are NaN.

    Raises:
        ValueError: `levels` do not ascend, `level` is no coverage, or a score is NaN.

    Source: Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
    NeurIPS (2021), section 4.2.

    >>> run_profile([[0.2, 0.5], [0.4, 0.6]], [0.1, 0.4, 0.9]).share
    array([1. , 0.5, 0. ])
    """
    check_level(level)
    taus = np.asarray(levels, dtype=np.float64)
    if taus.ndim != 1 or (np.diff(taus) < 0).any():
        raise ValueError("levels must be one row of ascending numbers")
    strata = in_order(scores)
    n = sum(map(len, strata))
    if n == 0:
        nothing = np.full(len(taus), np.nan)
        return Profile(taus, nothing, nothing, nothing)
    # A score's bin is how many levels lie below it; resampling bins instead of scores is all the
    # same and needs one count per resample, not one per level.
    bins = [np.searchsorted(taus, one, side="left") for one in strata]
    share = _above(np.bincount(np.concatenate(bins), minlength=len(taus) + 1)[None], n)[0]
    rng = np.random.default_rng(seed)
    drawn = []
    step = max(1, CHUNK // n)
    for start in range(0, repetitions, step):
        rows = min(step, repetitions - start)
        counts = np.zeros(rows * (len(taus) + 1), dtype=np.int64)
        first = np.arange(rows)[:, None] * (len(taus) + 1)
        for one in bins:
            picked = one[rng.integers(0, len(one), (rows, len(one)))] + first
            counts += np.bincount(picked.ravel(), minlength=len(counts))
        drawn.append(_above(counts.reshape(rows, -1), n))
    ends = np.quantile(np.concatenate(drawn), ((1 - level) / 2, (1 + level) / 2), axis=0)
    return Profile(taus, share, ends[0], ends[1])


def _above(counts: np.ndarray, n: int) -> np.ndarray:
    """`[rows, levels + 1]` runs per bin -> `[rows, levels]` share of runs above each level."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:] / n
