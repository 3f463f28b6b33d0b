"""Logits to probabilities on the host, in float64, and the scores of whole splits."""

from __future__ import annotations

import numpy as np
from scipy import special


def log_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Returns `log softmax(logits / temperature)` in float64, of the same shape.

    Args:
      logits: `[..., k]`.
      temperature: above 0; greater ones make probabilities more even.
    """
    with np.errstate(invalid="ignore"):  # of logits that are not finite the result may be NaN
        return special.log_softmax(np.asarray(logits, np.float64) / temperature, axis=-1)


def mean_nll(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Returns the mean of `-log p[label]` in nats; NaN of no examples.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers.
      temperature: what the logits are divided by.
    """
    if not len(labels):
        return float("nan")
    return float(-np.mean(log_probabilities(logits, temperature)[np.arange(len(labels)), labels]))


def mean_brier(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean of `sum_j (p[j] - [j = label])^2`, in [0, 2]; NaN of no examples.

    Args:
      logits: `[n, k]`.
      labels: `[n]` integers.
    """
    if not len(labels):
        return float("nan")
    p = np.exp(log_probabilities(logits))
    p[np.arange(len(labels)), labels] -= 1
    return float(np.mean(np.sum(p * p, axis=1)))
