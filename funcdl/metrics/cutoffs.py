"""Metrics of rankings at other cutoffs than 10, of whole splits; NumPy on the host.

Scores and targets are as in `funcdl.metrics.ranking`, with which these agree at k = 10.
"""

from __future__ import annotations

import numpy as np

from funcdl.types import Array, PyTree


def ndcg_values(scores: Array, targets: PyTree, k: int = 10) -> np.ndarray:
    """`1 / log2(1 + r)` where the rank r is at most k, else 0; float64 `[n]`."""
    r = ranks(scores, targets)
    return np.where(r <= k, 1.0 / np.log2(1.0 + r), 0.0)


def recall_values(scores: Array, targets: PyTree, k: int = 10) -> np.ndarray:
    """1.0 where the item is among the first k, else 0.0; float64 `[n]`."""
    return (ranks(scores, targets) <= k).astype(np.float64)


def precision_values(scores: Array, targets: PyTree, k: int = 10) -> np.ndarray:
    """The share of the first k that was chosen; float64 `[n]`."""
    return recall_values(scores, targets, k) / k


def ndcg(scores: Array, targets: PyTree, k: int = 10) -> float:
    """The mean of `ndcg_values`.

    >>> ndcg(np.array([[0.0, 1.0, 3.0, 2.0]]), np.array([1]), k=5)
    0.5
    """
    return float(np.mean(ndcg_values(scores, targets, k)))


def recall(scores: Array, targets: PyTree, k: int = 10) -> float:
    """The mean of `recall_values`."""
    return float(np.mean(recall_values(scores, targets, k)))


def precision(scores: Array, targets: PyTree, k: int = 10) -> float:
    """The mean of `precision_values`."""
    return float(np.mean(precision_values(scores, targets, k)))


def ranks(scores: Array, targets: PyTree) -> np.ndarray:
    """The rank of each item that was chosen, int64 `[n]`; the best is 1.

    >>> ranks(np.array([[9.0, 3.0, 3.0, 2.0]]), np.array([2])).tolist()
    [2]
    """
    item = targets["item"] if isinstance(targets, dict) else targets
    scores = np.where(np.isnan(scores), -np.inf, scores)
    chosen = np.take_along_axis(scores, item[:, None], axis=1)
    numbers = np.arange(scores.shape[1])
    before = (scores > chosen) | ((scores == chosen) & (numbers < item[:, None]))
    before[:, 0] = False
    if isinstance(targets, dict) and targets["seen"].shape[1]:
        bytes_of = np.ascontiguousarray(targets["seen"], "<i4").view(np.uint8)
        seen = np.unpackbits(bytes_of, axis=1, bitorder="little")[:, : scores.shape[1]]
        before &= seen == 0
    return 1 + before.sum(axis=1)
