"""Learning curves: the mean over the measured repeats at each step, and its interval."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

POINTS = 60  # more than a figure of this size can show


class Curve(NamedTuple):
    """A method's metric over steps; all `[points]`.

    half: half the width of Student's interval, NaN where a step has one value.
    """

    steps: np.ndarray
    mean: np.ndarray
    half: np.ndarray


def curves(
    metrics: pd.DataFrame, runs: Collection[str], block: str, metric: str, level: float
) -> dict[str, Curve]:
    """A curve per method, over the given runs.

    Args:
        metrics: a row per run, step and metric.
        runs: the ids that count: measured and finished.
        block: the block to draw.
        metric: such as "validation/accuracy".
        level: of the interval.
    """
    if not len(metrics):
        return {}
    known = (metrics["metric"] == metric).to_numpy() & (metrics["block"] == block).to_numpy()
    known = known & metrics["run"].isin(list(runs)).to_numpy()
    method = np.asarray(metrics["method"], dtype=object)[known]
    step = np.asarray(metrics["step"], dtype=np.int64)[known]
    value = np.asarray(metrics["value"], dtype=np.float64)[known]
    finite = np.isfinite(value)
    found = {}
    for label in dict.fromkeys(method[finite]):
        mine = finite & (method == label)
        found[str(label)] = _curve(step[mine], value[mine], level)
    return found


def _curve(step: np.ndarray, value: np.ndarray, level: float) -> Curve:
    steps, place = np.unique(step, return_inverse=True)
    n = np.bincount(place)
    mean = np.bincount(place, value) / n
    squares = np.bincount(place, (value - mean[place]) ** 2)
    free = np.maximum(n - 1, 1)
    half = stdtrit(free, (1 + level) / 2) * np.sqrt(squares / free / n)
    half = np.where(n > 1, half, np.nan)
    keep = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), POINTS)).round().astype(int))
    return Curve(steps[keep], mean[keep], half[keep])
