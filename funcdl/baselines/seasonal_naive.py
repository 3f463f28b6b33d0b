"""The seasonal naive forecast: each value is that of one season before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


class SeasonalNaive(BaseEstimator):
    """Forecasts the value of the same time of the last season that was seen.

    `f[t + h] = v[t + h - period * ceil(h / period)]`, told as steps. Quantiles are this forecast and those of
    its errors in training, for each h; the median is the forecast itself.

    Source: Hyndman and Athanasopoulos, "Forecasting: principles and practice" (3rd edition, 2021), section
    5.2; of its prediction intervals section 5.5, with the errors themselves in the place of a normal.

    Args:
      period: steps from one season to the next; 5 for days of a trading week.
      quantiles: as the task has them; empty for points.
    """

    def __init__(self, period: int = 1, quantiles: Sequence[float] = ()):
        self.period = period
        self.quantiles = quantiles

    def fit(self, inputs: np.ndarray, targets: Any) -> SeasonalNaive:
        """Learns what a step is, and the quantiles of the errors.

        Args:
          inputs: `[n, window, 1]`, scaled steps, oldest first.
          targets: as `funcdl.data.windows.windows` gives them with `details`.

        Raises:
          ValueError: if targets are others, or the window does not hold a season.
        """
        if not isinstance(targets, Mapping) or "transform" not in targets:
            raise ValueError("it forecasts series; use task: forecasting, with data.details: true")
        self.horizon_ = np.shape(targets["steps"])[1]
        self.changes_ = int(targets["transform"][0]) != 0  # 0: steps are the values themselves
        window = np.shape(inputs)[1]
        if not 1 <= self.period <= window + self.changes_:
            raise ValueError(
                f"a season of {self.period} steps does not lie in data.window: {window}; allowed are periods "
                f"from 1 to {window + self.changes_}"
            )
        errors = np.asarray(targets["steps"], np.float64) - self._points(inputs)
        levels = np.asarray(self.quantiles if len(self.quantiles) else (0.5,), np.float64)
        offsets = np.quantile(errors, levels, axis=0).T  # [H, Q]
        self.offsets_ = np.where(levels == 0.5, 0.0, offsets)
        return self

    def outputs(self, inputs: np.ndarray, width: int) -> np.ndarray:
        """Forecasts of steps, `[n, H * Q]`, as the task's models give them.

        Raises:
          ValueError: if the task has other quantiles.
        """
        if width != self.offsets_.size:
            raise ValueError(
                f"the task wants {width} outputs for {self.horizon_} steps, but the baseline's quantiles are "
                f"{list(self.quantiles)}: give it those of the task"
            )
        found = self._points(inputs)[..., None] + self.offsets_
        return found.reshape(len(found), -1).astype(np.float32)

    def _points(self, inputs: np.ndarray) -> np.ndarray:
        """`[n, H]`, in the unit of the inputs."""
        seen = np.asarray(inputs, np.float64)[..., 0]
        # The values as far as they matter: changes start anywhere, for only differences are used.
        values = seen
        if self.changes_:
            values = np.concatenate([np.zeros((len(seen), 1)), np.cumsum(seen, axis=1)], axis=1)
        ahead = np.arange(self.horizon_) % self.period
        forecast = values[:, values.shape[1] - self.period + ahead]
        if not self.changes_:
            return forecast
        return np.diff(forecast, axis=1, prepend=values[:, -1:])
