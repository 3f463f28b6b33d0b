"""Temperature scaling: one number, fitted on validation data, that makes probabilities honest.

It divides all logits, so that it changes no prediction, only how sure it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from funcdl.metrics.probabilities import log_probabilities, mean_nll
from funcdl.metrics.reliability import BINS, expected_calibration_error

COLDEST, HOTTEST = 0.01, 100.0  # of data that a classifier gets all right, or none, no T is best
Scored = tuple[np.ndarray, np.ndarray]  # logits [n, k] and labels [n] of a split


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the T in [0.01, 100] that minimises the mean of `-log softmax(logits / T)[label]`.

    In b = 1/T that is convex, with the derivative `mean(sum_j p_j z_j - z_label)`, whose zero is
    found by bracketing. NaN of no examples.

    Args:
      logits: `[n, k]`, of validation data.
      labels: `[n]` integers.

    Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), section 4.2.

    >>> logits = np.log([[0.9, 0.1]] * 10)
    >>> p = 1 / (1 + np.exp(-np.log(9) / fit_temperature(logits, np.array([0] * 7 + [1] * 3))))
    >>> round(float(p), 6)
    0.7
    """
    if not len(labels):
        return float("nan")
    from scipy.optimize import brentq

    z = np.asarray(logits, np.float64)
    of_label = float(np.mean(z[np.arange(len(labels)), labels]))

    def slope(log_b: float) -> float:
        p = np.exp(log_probabilities(z, np.exp(-log_b)))
        expected = np.where(p > 0, p * np.where(p > 0, z, 0.0), 0.0)
        return float(np.mean(np.sum(expected, axis=1))) - of_label

    hot, cold = -np.log(HOTTEST), -np.log(COLDEST)
    if not slope(hot) < 0:  # also where nothing can be said, since a label's logit is not finite
        return HOTTEST
    if not slope(cold) > 0:
        return COLDEST
    root: Any = brentq(slope, hot, cold, xtol=1e-10)
    return float(np.exp(-root))


def temperature(test: Scored, validation: Scored) -> float:
    """Returns the temperature itself; above 1 where the model is too sure of itself."""
    return fit_temperature(*validation)


def temperature_nll(test: Scored, validation: Scored) -> float:
    """Returns the test split's negative log-likelihood at the temperature of the validation split."""
    return mean_nll(*test, temperature=fit_temperature(*validation))


def temperature_nll_values(test: Scored, validation: Scored) -> np.ndarray:
    """Returns each test example's negative log-likelihood at that temperature, float64 `[n]`."""
    logits, labels = test
    log_p = log_probabilities(logits, fit_temperature(*validation))
    return -log_p[np.arange(len(labels)), labels]


def temperature_ece(test: Scored, validation: Scored, bins: int = BINS) -> float:
    """Returns the test split's `ece` at the temperature of the validation split."""
    logits, labels = test
    scaled = np.asarray(logits, np.float64) / fit_temperature(*validation)
    return expected_calibration_error(scaled, labels, bins)
