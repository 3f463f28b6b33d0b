"""Series in a table: one value or several at each moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from funcdl.data.files.columns import Columns
from funcdl.data.files.moments import check_even, moments
from funcdl.data.files.source import read_columns
from funcdl.data.windows import Series, windows
from funcdl.errors import DataError
from funcdl.types import Dataset


def series(
    *,
    path: str,
    values: Sequence[str],
    time: str = "",
    series: str = "",
    window: int = 32,
    horizon: int = 1,
    transform: Literal["none", "difference", "log_return"] = "none",
    details: bool = False,
    period: int = 1,
    gaps: Literal["refuse", "join"] = "refuse",
    split: Mapping[str, Any] = {"by": "order", "test": 0.2, "validation": 0.2},
) -> Dataset:
    """Loads windows of series, split in the order of time.

    Args:
      path: of a .csv, .tsv or .parquet file; from Python also a frame.
      values: the columns of values; each is a series of its own.
      time: the column of the moments: numbers, or dates as in 2024-01-31 or 2024-01-31T12:00, all with a
        time zone or all without; empty: rows are in the order of time, one moment each.
      series: the column that says which series a row is of; empty: all rows are of one.
      window: steps that a model sees.
      horizon: steps that it forecasts.
      transform: what a step is: a value, a difference or a logarithmic return.
      details: give targets with what errors in the series' own unit need, as
        `funcdl.data.windows.windows` does.
      period: of the naive forecast that MASE divides by; steps from one season to the next.
      gaps: what to do where moments are evenly apart but for some that are missing: `refuse` the series,
        or `join` what is there as if nothing were missing.
      split: `test`, `validation`, `block` and `origins`, as `funcdl.data.split.split` has them, of moments.

    Returns:
      A `Dataset` with inputs float32 `[n, window, 1]` and targets float32 `[n, horizon]`, or the dict of
      `details`.

    Raises:
      DataError: with the line of the file, for values or moments that are missing or given twice, for
        gaps, and for windows or splits that do not fit.
    """
    if isinstance(values, str) or not values:
        raise DataError(f"data.values is {values!r}; allowed is a list of columns, such as [price]")
    found = read_columns(path)
    if gaps not in ("refuse", "join"):
        raise DataError(f"data.gaps is {gaps!r}; allowed are refuse, join")
    when = moments(found, time) if time else None
    of = found.labels(series, "series").astype(str) if series else np.full(found.n, "")
    cut = []
    for column in dict.fromkeys(values):
        numbers = found.numbers(column, "values")
        for name in np.unique(of):
            rows = np.flatnonzero(of == name)
            times = np.arange(len(rows)) if when is None else when[rows]
            order = np.argsort(times, kind="stable")
            _check_once(found, rows[order], times[order])
            if gaps == "refuse":
                check_even(found, rows[order], times[order])
            called = " of ".join(part for part in (column, str(name)) if part)
            cut.append(Series(called, times[order], numbers[rows[order]]))
    return windows(
        cut,
        window=window,
        horizon=horizon,
        transform=transform,
        details=details,
        split=split,
        period=period,
    )


def _check_once(found: Columns, rows: np.ndarray, times: np.ndarray) -> None:
    twice = np.flatnonzero(times[1:] == times[:-1])
    if twice.size:
        row = int(max(rows[twice[0]], rows[twice[0] + 1]))
        raise DataError(
            f"{found.name}, {found.where(row)}: the moment {times[twice[0]]} is there twice; if the table "
            "holds several series, say by data.series which column tells them apart"
        )
