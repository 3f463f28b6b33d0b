"""Metrics of a table of labels against predictions, and how far each example pulls them.

Let a class have `hit` examples that are rightly predicted, `predicted` and `actual` ones. Precision is
hit / predicted, recall hit / actual, and F1, their harmonic mean, 2 hit / (predicted + actual): all
are `(a + b) hit / (a predicted + b actual)`, with (a, b) one of (1, 0), (0, 1), (1, 1). Where nothing
is below the line the metric is 0, as scikit-learn's `zero_division=0`.

A value per example is the metric plus the example's influence on it, to first order (the delta
method): of a ratio r = N / D of means, `r + (N_i - r D_i) / D`. Their mean is the metric, and their
variance over n is that of the metric in other samples of n examples, as n grows.

Source: van Rijsbergen, "Information retrieval" (1979), chapter 7, for F; Hampel, "The influence curve
and its role in robust estimation" (JASA, 1974).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Weights = tuple[int, int]  # of what is predicted and of what is actual, below the line
PRECISION, RECALL, F1 = (1, 0), (0, 1), (1, 1)


class Confusion(NamedTuple):
    """What was predicted, against what is.

    predicted, labels: `[n]` integers below k.
    hits, found, actual: `[k]`, how many examples of each class are right, predicted and there.
    """

    predicted: np.ndarray
    labels: np.ndarray
    hits: np.ndarray
    found: np.ndarray
    actual: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """bool `[k]`, the classes that are there or predicted."""
        return (self.found > 0) | (self.actual > 0)


def confusion(predicted: np.ndarray, labels: np.ndarray, k: int) -> Confusion:
    """Counts the examples of each class.

    Args:
      predicted: `[n]` integers, or bool, below k.
      labels: the same.
      k: how many classes there are.
    """
    predicted, labels = (np.asarray(x).astype(np.intp, copy=False) for x in (predicted, labels))
    hits = np.bincount(labels[predicted == labels], minlength=k)
    found, actual = (np.bincount(x, minlength=k) for x in (predicted, labels))
    return Confusion(predicted, labels, hits, found, actual)


def mean_ratio(of: Confusion, weights: Weights, classes: np.ndarray) -> float:
    """Returns the mean of `(a + b) hit / (a predicted + b actual)` over some classes.

    Args:
      of: the counts.
      weights: (a, b), such as `F1`.
      classes: bool `[k]`, those that count; NaN if none does, or there is no example.

    >>> found = confusion(np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]), 2)
    >>> mean_ratio(found, PRECISION, found.seen)
    0.5
    """
    if not len(of.labels) or not classes.any():
        return float("nan")
    return float(np.mean(_ratios(of, weights)[0][classes]))


def mean_ratio_values(of: Confusion, weights: Weights, classes: np.ndarray) -> np.ndarray:
    """Returns one value per example, `[n]`, whose mean is `mean_ratio` of the same arguments."""
    ratios, below = _ratios(of, weights)
    a, b = weights
    scale = np.where(classes & (below > 0), len(of.labels) / np.maximum(below, 1), 0.0)
    scale /= max(int(classes.sum()), 1)
    gain, cost = scale * (a + b), scale * ratios
    right = of.predicted == of.labels
    pull = np.where(right, gain[of.labels], 0.0) - a * cost[of.predicted] - b * cost[of.labels]
    return mean_ratio(of, weights, classes) + pull


def _ratios(of: Confusion, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """The metric of each class, and what is below the line, `[k]`."""
    a, b = weights
    below = a * of.found + b * of.actual
    return (a + b) * of.hits / np.maximum(below, 1), below


def correlation(of: Confusion) -> float:
    """Returns Matthews' correlation coefficient of labels and predictions, in [-1, 1].

    `(c - sum_k p_k t_k) / sqrt((1 - sum p_k^2) (1 - sum t_k^2))`, with c the share of right ones and
    p_k, t_k the shares that are predicted to be and that are of class k; 0 where all are predicted to be
    of one class, or are.

    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient"
    (Comput. Biol. Chem., 2004), eq. 8; for two classes Matthews (1975).
    """
    n = len(of.labels)
    if not n:
        return float("nan")
    of_predicted, of_labels = n * n - of.found @ of.found, n * n - of.actual @ of.actual
    if of_predicted == 0 or of_labels == 0:
        return 0.0
    above = n * of.hits.sum() - of.found @ of.actual
    return float(above / np.sqrt(float(of_predicted) * float(of_labels)))


def correlation_values(of: Confusion) -> np.ndarray:
    """Returns one value per example, `[n]`, whose mean is `correlation`."""
    n, found = len(of.labels), correlation(of)
    p, t = of.found / max(n, 1), of.actual / max(n, 1)
    of_predicted, of_labels = 1 - p @ p, 1 - t @ t
    if not n or of_predicted == 0 or of_labels == 0:
        return np.full(n, found)
    both, right = p @ t, of.predicted == of.labels
    above = right - of.hits.sum() / n - (t[of.predicted] - both) - (p[of.labels] - both)
    below = (p @ p - p[of.predicted]) / of_predicted + (t @ t - t[of.labels]) / of_labels
    return found + above / np.sqrt(of_predicted * of_labels) - found * below
