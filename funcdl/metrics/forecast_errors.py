"""Errors of forecasts that are no means over examples; NumPy, a whole split at once.

Outputs and targets are those of `funcdl.metrics.forecasting`. A root of a mean has a value per example
all the same: its first-order expansion around the split, whose mean is the root itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Targets = Mapping[str, np.ndarray]


def rmse(outputs: np.ndarray, targets: Targets) -> float:
    """Returns the root of the mean squared error of values, in the series' own unit."""
    return _root(_squares_of_values(outputs, targets))


def rmse_values(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """Each example's part in `rmse`, `[n]`: `r + (s[i] - r^2) / (2 r)` of its mean square s[i]."""
    return _parts(_squares_of_values(outputs, targets))


def rmse_steps(outputs: np.ndarray, targets: Targets) -> float:
    """Returns the root of the mean squared error of steps in their own unit, such as log returns."""
    return _root(_squares_of_steps(outputs, targets))


def rmse_steps_values(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """Each example's part in `rmse_steps`, `[n]`, as `rmse_values` has it."""
    return _parts(_squares_of_steps(outputs, targets))


def coverage(outputs: np.ndarray, targets: Targets) -> float:
    """Returns the share of steps between the outermost quantiles, ends included; NaN without quantiles.

    Right is the difference of their levels: .8 for quantiles from .1 to .9.
    """
    inside = coverage_values(outputs, targets)
    return float(np.mean(inside)) if inside.size else float("nan")


def coverage_values(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """The share of each example's steps that is inside, `[n]`."""
    found = _quantiles(outputs, targets)
    if found.shape[-1] == 1:
        return np.full(len(found), np.nan)
    steps = np.asarray(targets["steps"], np.float64)
    return np.mean((found[..., 0] <= steps) & (steps <= found[..., -1]), axis=-1)


def _quantiles(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """`[n, H, Q]` in float64, sorted."""
    n, horizon = np.shape(targets["steps"])
    return np.sort(np.asarray(outputs, np.float64).reshape(n, horizon, -1), axis=-1)


def _points(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    found = _quantiles(outputs, targets)
    return found[..., found.shape[-1] // 2]


def _squares_of_steps(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """`[n]`, of the steps' own unit."""
    errors = _points(outputs, targets) - np.asarray(targets["steps"], np.float64)
    return np.mean((errors * np.asarray(targets["scale"], np.float64)[:, None]) ** 2, axis=-1)


def _squares_of_values(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """`[n]`, of the series' own unit."""
    told = {
        name: np.asarray(targets[name], np.float64)[:, None] for name in ("scale", "mean", "last")
    }
    kind = np.asarray(targets["transform"])[:, None]
    own = _points(outputs, targets) * told["scale"] + told["mean"]
    path = np.cumsum(own, axis=-1)
    # Only where steps are logarithms: a sum of prices has no exponential.
    grown = told["last"] * np.exp(np.where(kind == 2, path, 0.0))
    values = np.where(kind == 0, own, np.where(kind == 1, told["last"] + path, grown))
    return np.mean((values - np.asarray(targets["future"], np.float64)) ** 2, axis=-1)


def _root(squares: np.ndarray) -> float:
    return float(np.sqrt(np.mean(squares))) if squares.size else float("nan")


def _parts(squares: np.ndarray) -> np.ndarray:
    root = _root(squares)
    if not root > 0:  # no error at all, or no example: nothing to expand
        return np.full(squares.shape, root)
    return root + (squares - root**2) / (2 * root)
