"""How well a Gaussian around the predictions describes what came; NumPy, a whole split at once.

A regression that gives one number says nothing of how far off it may be. Here its errors are taken
as Gaussian around 0, with a variance per coordinate that the validation split sets.
"""

from __future__ import annotations

import numpy as np
from scipy import special

ALPHA = 0.1
Predicted = tuple[np.ndarray, np.ndarray]  # outputs [n, d] and targets [n] or [n, d] of a split


def rmse(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Returns the root of the mean squared error over examples and coordinates.

    >>> rmse(np.array([[1.0], [4.0]]), np.array([1.0, 2.0])) == 2**0.5
    True
    """
    errors = _errors(outputs, targets)
    return float(np.sqrt(np.mean(errors**2))) if errors.size else float("nan")


def rmse_values(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `rmse`, R: `R + (mean_j e_ij^2 - R^2) / 2R`.

    That is the metric and the example's influence on it, to first order; see `confusion`.
    """
    squared = np.mean(_errors(outputs, targets) ** 2, axis=1)
    root = rmse(outputs, targets)
    return root + (squared - root**2) / (2 * root) if root else np.zeros(len(squared))


def r2(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Returns `1 - sum (y - f)^2 / sum (y - mean y)^2`, the mean over coordinates.

    1 is best, 0 is as good as the split's own mean; NaN where a coordinate does not vary.
    """
    errors = _errors(outputs, targets)
    wide = np.asarray(targets, np.float64).reshape(errors.shape)
    if not errors.size:
        return float("nan")
    total = np.sum((wide - wide.mean(axis=0)) ** 2, axis=0)
    if not (total > 0).all():
        return float("nan")
    return float(np.mean(1 - np.sum(errors**2, axis=0) / total))


def r2_values(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns float64 `[n]`, whose mean is `r2`: its value and each example's influence on it.

    With U the share of the variance V that is unexplained, a coordinate has the influence
    `-(e_i^2 - U (y_i - mean y)^2) / V`. Those of the mean of y cancel to first order.
    """
    errors = _errors(outputs, targets)
    found = r2(outputs, targets)
    if np.isnan(found):
        return np.full(len(errors), np.nan)
    wide = np.asarray(targets, np.float64).reshape(errors.shape)
    spread = (wide - wide.mean(axis=0)) ** 2
    total = spread.mean(axis=0)
    unexplained = np.mean(errors**2, axis=0) / total
    return found - np.mean((errors**2 - unexplained * spread) / total, axis=1)


def fit_scale(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the standard deviation of the errors around 0, `[d]`: the maximum-likelihood one."""
    return np.sqrt(np.mean(_errors(outputs, targets) ** 2, axis=0))


def gaussian_nll(test: Predicted, validation: Predicted) -> float:
    """Returns the mean of `log(sigma) + log(2 pi)/2 + (y - f)^2 / (2 sigma^2)`, in nats.

    The mean goes over the test split's examples and coordinates; sigma is the validation split's.
    Infinite where validation has no error at all but test has.
    """
    values = gaussian_nll_values(test, validation)
    with np.errstate(over="ignore"):
        return float(np.mean(values)) if values.size else float("nan")


def gaussian_nll_values(test: Predicted, validation: Predicted) -> np.ndarray:
    """Returns each test example's part of it, the mean over its coordinates, float64 `[n]`."""
    scaled, sigma = _scaled(test, validation)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        every = np.log(sigma) + 0.5 * np.log(2 * np.pi) + 0.5 * scaled**2
        return np.mean(every, axis=1)


def gaussian_coverage(test: Predicted, validation: Predicted, alpha: float = ALPHA) -> float:
    """Returns the share of test targets in the central interval of probability 1 - alpha."""
    scaled, _ = _scaled(test, validation)
    limit = special.ndtri(1 - alpha / 2)
    return float(np.mean(np.abs(scaled) <= limit)) if scaled.size else float("nan")


def pit(test: Predicted, validation: Predicted) -> np.ndarray:
    """Returns the Gaussian's distribution function at each target, `[n, d]`.

    If the Gaussian is right these numbers are uniform between 0 and 1: the probability integral
    transform.

    Source: Gneiting, Balabdaoui and Raftery, "Probabilistic forecasts, calibration and sharpness"
    (JRSS B, 2007), section 3.1.
    """
    return special.ndtr(_scaled(test, validation)[0])


def pit_distance(test: Predicted, validation: Predicted) -> float:
    """Returns how far these numbers are from uniform: Kolmogorov's distance, in [0, 1]; 0 is best."""
    sorted_pit = np.sort(pit(test, validation), axis=None)
    n = len(sorted_pit)
    if not n:
        return float("nan")
    above = np.arange(1, n + 1) / n - sorted_pit
    below = sorted_pit - np.arange(n) / n
    return float(max(above.max(), below.max()))


def _scaled(test: Predicted, validation: Predicted) -> tuple[np.ndarray, np.ndarray]:
    """Errors in standard deviations; where that is 0, an error is infinitely many of them."""
    errors = -_errors(*test)
    sigma = fit_scale(*validation) if len(validation[0]) else np.full(errors.shape[1:], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(errors == 0, 0.0, errors / sigma), sigma


def _errors(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """`outputs - targets` as `[n, d]` in float64."""
    outputs = np.asarray(outputs, np.float64)
    return outputs - np.asarray(targets, np.float64).reshape(outputs.shape)
