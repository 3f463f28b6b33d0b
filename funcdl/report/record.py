"""Frames as plain records, so that the report's code need not know about missing-value types."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

Record = dict[str, Any]  # column -> value; None where the frame has nothing
LARGEST = 1e150  # of a metric: the squares of larger ones overflow
WITHOUT = ("failed", "undefined")  # of a run that has no score, not even the worst


def records(frame: pd.DataFrame) -> list[Record]:
    """A frame's rows, with None for NaN and NA.

    >>> records(pd.DataFrame({"method": ["sgd"], "mean": [float("nan")]}))
    [{'method': 'sgd', 'mean': None}]
    """
    names = [str(name) for name in frame.columns]
    known = frame.astype(object).where(frame.notna(), None)
    rows = known.to_numpy(dtype=object).tolist()
    return [dict(zip(names, row, strict=True)) for row in rows]


def measured(runs: list[Record], metric: str) -> list[Record]:
    """The measuring runs, one per block, method and repeat; see `settled`."""
    found: dict[tuple[Any, ...], Record] = {}
    for run in runs:
        if run["phase"] == "measure":
            key = (run["block"], run["method"], run["repeat"])
            found.setdefault(key, settled(run, metric))
    return list(found.values())


def tuning(runs: list[Record], metric: str) -> list[Record]:
    """The tuning runs; `metric` is what selected; see `settled`."""
    return [settled(run, metric) for run in runs if run["phase"] == "tune"]


def settled(run: Record, metric: str) -> Record:
    """The run, with another status where its metric is not finite though its parameters stayed so.

    "diverged" where the metric is infinite or so large that its square is: an overflow is no number to
    average, and leaving the run out would favour its method. "undefined" where it is NaN, such as an
    area under a curve of a test split without positives: no method can have it there.
    """
    if run["status"] != "ok" or metric not in run or _finite(run[metric]):
        return run
    undefined = run[metric] is None or math.isnan(run[metric])
    return run | {"status": "undefined" if undefined else "diverged"}


def _finite(value: Any) -> bool:
    return value is not None and abs(value) <= LARGEST
