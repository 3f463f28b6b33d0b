"""Decisions at a threshold that validation data set: the one with the best F1 there.

For what gives scores rather than decisions, and for classes so rare that the greatest logit is seldom
theirs. All take `test` and `validation`, each a pair of scores `[n]` or logits `[n, 2]`, and labels
`[n]` that are 0 or 1. They are NaN where the threshold is: see `best_threshold`.

The values per example hold the threshold fixed, as everything else that training and validation data
decided.
"""

from __future__ import annotations

import numpy as np

from funcdl.metrics.confusion import (
    F1,
    PRECISION,
    RECALL,
    Confusion,
    Weights,
    confusion,
    mean_ratio,
    mean_ratio_values,
)
from funcdl.metrics.decisions import POSITIVE
from funcdl.metrics.scores import scores_of

Scored = tuple[np.ndarray, np.ndarray]  # scores [n] or logits [n, 2], and labels [n], of a split


def best_threshold(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the score t at which predicting `score >= t` positive has the best F1.

    One of the scores that are there; of several that are as good the greatest. NaN without positives
    (every F1 is 0), and where a score is NaN.

    Args:
      outputs: scores `[n]` or logits `[n, 2]`, of validation data.
      labels: `[n]`, 0 or 1.

    >>> best_threshold(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.35
    """
    scores, positive = scores_of(outputs), np.asarray(labels) == 1
    if not positive.any() or np.isnan(scores).any():
        return float("nan")
    levels, place, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    right = np.cumsum(np.bincount(place.ravel()[positive], minlength=len(levels)))
    best = np.argmax(2 * right / (np.cumsum(sizes) + right[-1]))
    return float(-levels[best])


def f1_tuned(test: Scored, validation: Scored) -> float:
    """Returns the test split's F1 at the threshold."""
    return _metric(test, validation, F1)


def f1_tuned_values(test: Scored, validation: Scored) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `f1_tuned`."""
    return _values(test, validation, F1)


def precision_tuned(test: Scored, validation: Scored) -> float:
    """Returns the test split's precision at the threshold; 0 where nothing reaches it."""
    return _metric(test, validation, PRECISION)


def precision_tuned_values(test: Scored, validation: Scored) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `precision_tuned`."""
    return _values(test, validation, PRECISION)


def recall_tuned(test: Scored, validation: Scored) -> float:
    """Returns the test split's recall at the threshold; 0 without positives."""
    return _metric(test, validation, RECALL)


def recall_tuned_values(test: Scored, validation: Scored) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `recall_tuned`."""
    return _values(test, validation, RECALL)


def _metric(test: Scored, validation: Scored, weights: Weights) -> float:
    decided = _decided(test, validation)
    return float("nan") if decided is None else mean_ratio(decided, weights, POSITIVE)


def _values(test: Scored, validation: Scored, weights: Weights) -> np.ndarray:
    decided = _decided(test, validation)
    if decided is None:
        return np.full(len(test[1]), np.nan)
    return mean_ratio_values(decided, weights, POSITIVE)


def _decided(test: Scored, validation: Scored) -> Confusion | None:
    threshold = best_threshold(*validation)
    if np.isnan(threshold):
        return None
    return confusion(scores_of(test[0]) >= threshold, test[1], 2)
