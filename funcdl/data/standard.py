"""Columns of mean 0 and standard deviation 1, as the training split has them."""

from __future__ import annotations

import numpy as np


def standardiser(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of each column, `[d]` and `[d]`, in float64.

    A column that does not vary has the standard deviation 1: it becomes 0, not a division by zero.

    Args:
      table: `[n, d]` finite numbers, the training split's.

    >>> mean, deviation = standardiser(np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> mean.tolist(), deviation.tolist()
    ([1.0, 5.0], [1.0, 1.0])
    """
    table = np.asarray(table, np.float64)
    scale = np.abs(table).max(axis=0, initial=0.0)
    scale = np.where(scale > 0, scale, 1.0)  # squares of what is near 1e200 overflow
    mean = (table / scale).mean(axis=0)
    deviation = (table / scale).std(axis=0)
    constant = deviation <= 1e-12 * np.abs(mean)  # rounding is no variation
    return mean * scale, np.where(constant | (deviation == 0), 1.0, deviation * scale)


def standardised(table: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Returns `(table - mean) / deviation` as float32."""
    return ((np.asarray(table, np.float64) - mean) / deviation).astype(np.float32)
