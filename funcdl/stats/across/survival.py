"""How soon a target is reached when some runs never do: Kaplan-Meier and the restricted mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from funcdl.stats.interval import check_level, vector
from funcdl.types import Array


class Survival(NamedTuple):
    """The share of runs that have not reached the target yet; all `[events]`, ascending in time.

    times: when at least one run reached it.
    at_risk: runs that had neither reached it nor ended before.
    reached: runs that reached it then.
    share: that have not reached it just after.
    """

    times: np.ndarray
    at_risk: np.ndarray
    reached: np.ndarray
    share: np.ndarray


class Restricted(NamedTuple):
    """A mean time up to a horizon; None where a number cannot be given.

    n, reached: how many runs, and how many of them reached the target by the horizon.
    mean: the mean of the smaller of time and horizon.
    variance: of that mean, by Greenwood's formula.
    low, high: its interval.
    reason: why a number is missing or means less than it seems.
    """

    n: int
    reached: int
    mean: float | None
    variance: float | None
    low: float | None
    high: float | None
    reason: str


def kaplan_meier(times: Sequence[float] | Array, reached: Sequence[bool] | Array) -> Survival:
    """The product-limit estimate, `S(t) = prod over t_j <= t of (1 - d_j / n_j)`.

    A run that was still on its way when it ended counts as at risk up to then, not as one that would
    never have reached the target, nor as one that was not there.

    Args:
        times: `[n]`, when a run reached the target, or else when it ended.
        reached: `[n]`, whether it reached it.

    Raises:
        ValueError: lengths differ, or a time is negative or NaN.

    Source: Kaplan and Meier, JASA 53 (1958).

    >>> found = kaplan_meier([1, 2, 2, 3], [True, True, False, True])
    >>> found.times, found.share
    (array([1., 2., 3.]), array([0.75, 0.5 , 0.  ]))
    """
    t, hit = _checked(times, reached)
    when, count = np.unique(t[hit], return_counts=True)
    at_risk = len(t) - np.searchsorted(np.sort(t), when, side="left")
    return Survival(when, at_risk, count, np.cumprod(1 - count / at_risk))


def restricted_mean(
    times: Sequence[float] | Array,
    reached: Sequence[bool] | Array,
    horizon: float,
    level: float = 0.95,
) -> Restricted:
    """The area under the Kaplan-Meier curve up to a horizon, the same for all that are compared.

    A mean time does not exist where a run never reaches the target; the mean of
    `min(time, horizon)` does. Its variance is `sum A_j^2 d_j / (n_j (n_j - d_j))`, with `A_j` the area
    from the j-th event to the horizon. The interval takes it times `n / (n - 1)` and Student's
    quantile on n - 1 degrees of freedom, which without censoring before the horizon is Student's
    interval for the mean of `min(time, horizon)`; the usual normal one is too narrow at few repeats.

    Args:
        times: `[n]`, when a run reached the target, or else when it ended.
        reached: `[n]`, whether it reached it.
        horizon: where to stop counting, above 0 and finite.
        level: coverage, between 0 and 1.

    Returns:
        The mean. It is missing where every run ended before the horizon with one of them on its way
        when the last ended: nothing is known of the time between. The interval is missing where
        nothing says how times vary: none arrived, all arrived at once, or all others had ended
        before.

    Raises:
        ValueError: lengths differ, a time is negative or NaN, or `horizon` or `level` is none.

    Source: Klein and Moeschberger, "Survival Analysis" (2003), section 4.5.

    >>> found = restricted_mean([100, 200, 300, 400], [True, True, True, False], horizon=400)
    >>> f"{found.mean:g} [{found.low:.0f}, {found.high:.0f}]"
    '250 [45, 400]'
    """
    t, hit = _checked(times, reached)
    check_level(level)
    if not 0 < horizon < math.inf:
        raise ValueError(f"horizon is {horizon}; allowed: above 0 and finite")
    n = len(t)
    hit = hit & (t <= horizon)
    t = np.minimum(t, horizon)
    count = int(hit.sum())

    def without(reason: str, mean: float | None = None) -> Restricted:
        return Restricted(n, count, mean, None, None, None, reason)

    if n == 0:
        return without("no runs")
    curve = kaplan_meier(t, hit)
    if t.max() < horizon and not hit[t == t.max()].all():
        return without(f"the last run ended at {t.max():g} on its way, before {horizon:g}")
    edges = np.concatenate([[0.0], curve.times, [horizon]])
    areas = np.diff(edges) * np.concatenate([[1.0], curve.share])
    mean = float(areas.sum())
    later = areas[::-1].cumsum()[::-1][1:]
    left = curve.at_risk - curve.reached
    terms = np.divide(
        later**2 * curve.reached, curve.at_risk * left, out=np.zeros_like(later), where=left > 0
    )
    variance = float(terms.sum())
    if n == 1:
        return without("one run has no interval; at least 2 are needed", mean)
    if variance == 0:
        return without(_unvaried(n, count, horizon), mean)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * math.sqrt(variance * n / (n - 1))
    ends = (max(0.0, mean - half), min(horizon, mean + half))
    return Restricted(n, count, mean, variance, *ends, "")


def _unvaried(n: int, count: int, horizon: float) -> str:
    """Why nothing says how much the mean would vary."""
    if count == 0:
        return f"none of {n} runs reached the target by {horizon:g}, so there is no interval"
    if count == n:
        return f"the {n} times do not vary, so there is no interval"
    others = "the others had ended on their way before"
    return f"{count} of {n} runs reached the target and {others}, so there is no interval"


def _checked(
    times: Sequence[float] | Array, reached: Sequence[bool] | Array
) -> tuple[np.ndarray, np.ndarray]:
    t, hit = vector(times, "times"), np.asarray(reached, dtype=bool)
    if hit.shape != t.shape:
        raise ValueError(
            f"times has shape {t.shape} and reached {hit.shape}; give one each per run"
        )
    if np.isnan(t).any() or (t < 0).any():
        raise ValueError("times must not be negative or NaN")
    return t, hit
