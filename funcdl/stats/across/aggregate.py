"""One number for a method over many problems: interquartile mean, optimality gap, and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from funcdl.stats.interval import check_level
from funcdl.types import Array

REPETITIONS = 50_000
CHUNK = 2_000_000  # numbers in memory at once


class Aggregate(NamedTuple):
    """A number over all runs on all problems, and its bootstrap interval; None where it is missing.

    n: how many runs.
    value: of the runs as they are.
    low, high: ends of the percentile interval; equal to the value where resampling changes nothing.
    reason: why a number is missing or means less than it seems.
    """

    n: int
    value: float | None
    low: float | None
    high: float | None
    reason: str


def iqm(scores: Array | Sequence[float], axis: int | None = None) -> np.ndarray:
    """The mean of the middle half: `floor(n / 4)` scores are cut off at either end.

    Less swayed by single runs than the mean, less wasteful than the median.

    Args:
        scores: any shape; at least one score.
        axis: over which to average; None for all scores at once.

    Source: Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
    NeurIPS (2021), section 4.3.

    >>> round(float(iqm([[0.2, 0.5], [0.4, 0.6], [0.6, 0.7], [0.8, 0.9]])), 6)
    0.6
    """
    x = np.asarray(scores, dtype=np.float64)
    x = x.ravel() if axis is None else np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    cut = n // 4
    middle = x if cut == 0 else np.partition(x, (cut, n - cut - 1), axis=-1)[..., cut : n - cut]
    with np.errstate(invalid="ignore"):
        return middle.mean(axis=-1)


def optimality_gap(
    scores: Array | Sequence[float], axis: int | None = None, target: float = 1.0
) -> np.ndarray:
    """How far scores fall short of a target on average, those beyond it counting as at it.

    `target - mean(min(score, target))`; smaller is better.

    Source: Agarwal et al., NeurIPS (2021), section 4.3.

    >>> round(float(optimality_gap([0.2, 0.5, 0.4, 1.6])), 3)
    0.475
    """
    return target - np.minimum(np.asarray(scores, dtype=np.float64), target).mean(axis=axis)


def stratified(
    scores: Sequence[Sequence[float] | Array],
    statistic: Callable[..., np.ndarray] = iqm,
    *,
    level: float = 0.95,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Aggregate:
    """A statistic over pooled runs, with a percentile interval that resamples within each problem.

    It speaks of these problems, over the chance in their runs: problems are not resampled, so the
    interval says nothing of other problems.

    Args:
        scores: `scores[problem]`, the runs' scores on a common scale; problems may have different
            numbers of runs, and weigh as much as they have runs.
        statistic: `(array, axis=-1) -> array`, of the scores in any order.
        level: coverage, between 0 and 1.
        repetitions: how often to resample.
        seed: of the resampling; the order of problems and runs does not matter.

    Raises:
        ValueError: `level` is no coverage, fewer than one repetition, or NaN.

    Source: Agarwal et al., NeurIPS (2021), section 4.1.

    >>> found = stratified([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]], repetitions=2000)
    >>> f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    '0.45 [0.38, 0.52]'
    """
    check_level(level)
    if repetitions < 1:
        raise ValueError(f"repetitions is {repetitions}; allowed: 1 and more")
    strata = in_order(scores)
    n = sum(map(len, strata))
    if n == 0:
        return Aggregate(0, None, None, None, "no runs")
    value = float(statistic(np.concatenate(strata), axis=-1))
    if not np.isfinite(value):
        return Aggregate(n, value, None, None, "runs without a finite score decide the value")
    if max(map(len, strata)) == 1:
        reason = "one run per problem has no interval; at least 2 are needed"
        return Aggregate(n, value, None, None, reason)
    drawn = np.concatenate(
        [statistic(sample, axis=-1) for sample in resamples(strata, repetitions, seed)]
    )
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    if not np.isfinite([low, high]).all():
        reason = "some resamples have no finite value, so there is no interval"
        return Aggregate(n, value, None, None, reason)
    return Aggregate(n, value, float(low), float(high), "")


def resamples(strata: list[np.ndarray], repetitions: int, seed: int) -> Iterator[np.ndarray]:
    """Bootstrap samples, `[some repetitions, runs]` at a time, drawn within each stratum."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // max(1, sum(map(len, strata))))
    for start in range(0, repetitions, step):
        rows = min(step, repetitions - start)
        picks = [x[rng.integers(0, len(x), (rows, len(x)))] for x in strata]
        yield np.concatenate(picks, axis=1)


def in_order(scores: Sequence[Sequence[float] | Array]) -> list[np.ndarray]:
    """Strata and their scores sorted, without empty ones, so that a seed gives the same resamples.

    Raises:
        ValueError: a score is NaN.
    """
    strata = [np.sort(np.asarray(one, dtype=np.float64).ravel()) for one in scores]
    if any(np.isnan(one).any() for one in strata):
        raise ValueError("the scores hold NaN; give minus infinity for a run that diverged")
    return sorted((one for one in strata if len(one)), key=lambda one: (len(one), one.tolist()))
