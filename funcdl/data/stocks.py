"""Daily prices of five stocks, 2000 to 2013.

Source: daily quotes of AAPL, FB, GOOG, IBM and MSFT (public domain), as packaged by bokeh-sampledata
(BSD 3-Clause). Nothing of it is part of funcdl.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np

from funcdl.data.packaged import packaged_file
from funcdl.data.windows import Series, windows
from funcdl.errors import DataError
from funcdl.types import Dataset

_FILE = "bokeh_sampledata/_data/stocks.csv.gz"
_SHA256 = "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd"


def stocks(
    *,
    tickers: Sequence[str] = ("AAPL", "GOOG", "IBM", "MSFT"),
    window: int = 32,
    horizon: int = 1,
    transform: Literal["none", "difference", "log_return"] = "log_return",
    details: bool = False,
    split: Mapping[str, Any] = {"by": "order", "test": 0.2, "validation": 0.2},
) -> Dataset:
    """Loads windows of daily prices, adjusted for splits and dividends (the column Adj Close).

    Args:
      tickers: which stocks; FB began in 2012, when the default's training ends.
      window: days that a model sees.
      horizon: days that it forecasts.
      transform: what a step is: a price, a difference or a logarithmic return.
      details: give targets with what errors in prices need, as `funcdl.data.windows.windows` does.
      split: `test`, `validation`, `block` and `origins`, as `funcdl.data.split.split` has them, of days.

    Returns:
      A `Dataset` with inputs float32 `[n, window, 1]`, logarithmic returns over their standard
      deviation, and targets float32 `[n, horizon]`, or the dict of `details`.

    Raises:
      DataError: if the package `bokeh-sampledata` is missing or its file another one, a ticker is
        unknown, or windows or split do not fit.
    """
    known = _prices()
    wrong = [ticker for ticker in tickers if ticker not in known]
    if wrong or not tickers:
        raise DataError(f"data.tickers is {list(tickers)}; allowed are some of {', '.join(known)}")
    return windows(
        [known[ticker] for ticker in dict.fromkeys(tickers)],
        window=window,
        horizon=horizon,
        transform=transform,
        details=details,
        split=split,
    )


@cache
def _prices() -> dict[str, Series]:
    text = gzip.decompress(packaged_file("bokeh-sampledata", _FILE, _SHA256)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    found = {}
    for ticker in sorted({row["Ticker"] for row in rows}):
        own = [row for row in rows if row["Ticker"] == ticker]
        days = np.array([row["Date"] for row in own], "datetime64[D]")
        prices = np.array([row["Adj Close"] for row in own], np.float64)
        order = np.argsort(days)
        found[ticker] = Series(ticker, days[order], prices[order])
    return found
