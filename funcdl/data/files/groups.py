"""Which rows are identical."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def identical(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Numbers the rows so that those with equal values in all columns have equal numbers, `[n]`.

    >>> identical([np.array([1.0, np.nan, 1.0, np.nan]), np.array(["a", "b", "a", "b"])]).tolist()
    [0, 1, 0, 1]
    """
    found = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, numbers = np.unique(column, return_inverse=True)
        _, found = np.unique(found * len(column) + numbers, return_inverse=True)
    return found
