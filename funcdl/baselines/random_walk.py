"""The random walk: tomorrow is as today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from funcdl.baselines.seasonal_naive import SeasonalNaive


class RandomWalk(BaseEstimator):
    """Forecasts the last value that was seen: a change of 0, or of its logarithm.

    If prices hold all that is known of them, no forecast has a smaller squared error (Fama, "Efficient
    capital markets", Journal of Finance 25, 1970). Quantiles are this forecast and those of its errors in
    training, for each step; the median is the forecast itself.

    Args:
      quantiles: as the task has them; empty for points.
    """

    def __init__(self, quantiles: Sequence[float] = ()):
        self.quantiles = quantiles

    def fit(self, inputs: np.ndarray, targets: Any) -> RandomWalk:
        """Learns what a step is, and the quantiles of the errors; see `SeasonalNaive.fit`.

        Raises:
          ValueError: if the targets are no series' ones.
        """
        self._naive = SeasonalNaive(1, self.quantiles).fit(inputs, targets)
        return self

    def outputs(self, inputs: np.ndarray, width: int) -> np.ndarray:
        """Forecasts of steps, `[n, H * Q]`, as the task's models give them.

        Raises:
          ValueError: if the task has other quantiles.
        """
        return self._naive.outputs(inputs, width)
