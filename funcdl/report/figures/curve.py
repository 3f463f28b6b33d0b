"""Learning curves: the mean over the measured repeats at each step, and its interval."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from funcdl.report.question import Question
from funcdl.report.spread import independent, spread
from funcdl.stats.sequential import level_at

POINTS = 60  # more than a figure of this size can show


class Curve(NamedTuple):
    """A method's metric over steps; all `[points]`.

    half: half the width of the interval over repeats, NaN where there is none.
    reason: why there is none anywhere; empty where there is one.
    """

    steps: np.ndarray
    mean: np.ndarray
    half: np.ndarray
    reason: str = ""


def curves(
    question: Question, metrics: pd.DataFrame, runs: Collection[str], block: str, metric: str
) -> dict[str, Curve]:
    """A curve per method, over the given runs.

    Independent repeats have Student's interval at each step; crossed ones and splits of the data have
    that of `funcdl.report.spread`.

    Args:
        question: what was asked.
        metrics: a row per run, step and metric.
        runs: the ids that count: measured and finished.
        block: the block to draw.
        metric: such as "validation/accuracy".
    """
    if not len(metrics):
        return {}
    known = (metrics["metric"] == metric).to_numpy() & (metrics["block"] == block).to_numpy()
    known = known & metrics["run"].isin(list(runs)).to_numpy()
    method = np.asarray(metrics["method"], dtype=object)[known]
    step = np.asarray(metrics["step"], dtype=np.int64)[known]
    value = np.asarray(metrics["value"], dtype=np.float64)[known]
    plain = independent(question)
    repeat = step if plain else np.asarray(metrics["repeat"], dtype=np.int64)[known]
    finite = np.isfinite(value)
    found = {}
    for label in dict.fromkeys(method[finite]):
        mine = finite & (method == label)
        if plain:
            level = level_at(question.alpha, question.looks)
            found[str(label)] = _curve(step[mine], value[mine], level)
        else:
            place = (block, str(label))
            found[place[1]] = _dependent(question, place, step[mine], value[mine], repeat[mine])
    return found


def _curve(step: np.ndarray, value: np.ndarray, level: float) -> Curve:
    steps, place = np.unique(step, return_inverse=True)
    n = np.bincount(place)
    mean = np.bincount(place, value) / n
    squares = np.bincount(place, (value - mean[place]) ** 2)
    free = np.maximum(n - 1, 1)
    half = stdtrit(free, (1 + level) / 2) * np.sqrt(squares / free / n)
    half = np.where(n > 1, half, np.nan)
    keep = _kept(steps)
    why = "" if np.isfinite(half).any() else "one repeat, so no interval"
    return Curve(steps[keep], mean[keep], half[keep], why)


def _dependent(
    question: Question,
    place: tuple[str, str],
    step: np.ndarray,
    value: np.ndarray,
    repeat: np.ndarray,
) -> Curve:
    """The curve of repeats that are crossed, or splits of one data set."""
    steps = np.unique(step)
    steps = steps[_kept(steps)]
    found = []
    for at in steps:
        here = step == at
        values = dict(zip(repeat[here].tolist(), value[here].tolist(), strict=True))
        found.append(spread(question, place, values))
    half = np.array(
        [
            np.nan if one.low is None or one.high is None else (one.high - one.low) / 2
            for one in found
        ]
    )
    why = "" if np.isfinite(half).any() else f"no interval: {found[-1].reason}"
    return Curve(steps, np.array([one.mean for one in found], np.float64), half, why)


def _kept(steps: np.ndarray) -> np.ndarray:
    """Which of the steps are drawn."""
    return np.unique(np.linspace(0, len(steps) - 1, min(len(steps), POINTS)).round().astype(int))
