"""Whether a classifier that says 80 % is right in 80 % of the cases; NumPy, a whole split at once.

Confidence is the largest probability, and an example is right if it is the label's. Confidences are
sorted into bins, and in each the share that is right is held against the mean confidence.

The error in bins is biased upwards where bins are small: even a perfect forecaster's is above 0. Read
it beside a proper score, the negative log-likelihood or the Brier score.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from funcdl.metrics.probabilities import log_probabilities

BINS = 15


class Bins(NamedTuple):
    """Examples by their confidence; arrays `[b]`, NaN for the means of an empty bin.

    low, high: a bin holds the confidences in (low, high].
    size: examples in it.
    confidence: their mean confidence.
    accuracy: the share of them that is right.
    """

    low: np.ndarray
    high: np.ndarray
    size: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """`|accuracy - confidence|` of each bin, 0 for an empty one."""
        return np.where(self.size > 0, np.abs(self.accuracy - self.confidence), 0.0)


def reliability(
    logits: np.ndarray, labels: np.ndarray, bins: int = BINS, *, adaptive: bool = False
) -> Bins:
    """Sorts examples into bins of confidence, each closed on the right.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers.
      bins: how many.
      adaptive: bins of about equally many examples instead of equal width. Equal confidences are
        never torn apart, so there may be fewer bins.

    Returns:
      The bins from low to high confidence.

    Raises:
      ValueError: if `bins` is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins={bins}; allowed are whole numbers from 1")
    p = np.exp(log_probabilities(logits))
    confidence = p.max(axis=1, initial=0.0)
    right = p.argmax(axis=1) == labels if len(p) else np.zeros(0, bool)
    edges = _equally_full(confidence, bins) if adaptive else np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    some = np.where(count > 0, count, np.nan)
    return Bins(
        low=edges[:-1],
        high=edges[1:],
        size=count,
        confidence=np.bincount(place, confidence, len(count)) / some,
        accuracy=np.bincount(place, right, len(count)) / some,
    )


def _equally_full(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Edges at every n/bins-th confidence in their order."""
    n = len(confidence)
    if n == 0:
        return np.array([0.0, 1.0])
    ends = -(-n * np.arange(1, bins) // bins) - 1  # the last example of each bin but the last
    inner = np.sort(confidence)[np.maximum(ends, 0)]
    return np.concatenate([[0.0], np.unique(inner[inner < confidence.max()]), [1.0]])


def expected_calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Returns `sum_b n_b/n |accuracy_b - confidence_b|` over bins of equal width; 0 is best.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers.
      bins: how many, closed on the right.

    Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), eq. 3.

    >>> p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]]
    >>> round(expected_calibration_error(np.log(p), np.array([0, 1, 0, 2]), bins=10), 6)
    0.35
    """
    return _mean_gap(reliability(logits, labels, bins))


def adaptive_calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Returns the same sum over bins of about equally many examples.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers.
      bins: how many, if no confidences are equal.

    Source: Nixon et al., "Measuring calibration in deep learning" (CVPR workshops 2019), for the
    largest probability of each example.
    """
    return _mean_gap(reliability(logits, labels, bins, adaptive=True))


def maximum_calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Returns the largest `|accuracy_b - confidence_b|` of the bins that hold an example.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers.
      bins: how many, of equal width and closed on the right.

    Source: Guo et al. (2017), eq. 5. One example in a bin of its own can decide it.
    """
    found = reliability(logits, labels, bins)
    return float(found.gaps.max()) if found.size.sum() else float("nan")


def _mean_gap(bins: Bins) -> float:
    total = bins.size.sum()
    return float(bins.size @ bins.gaps / total) if total else float("nan")
