"""How far forecasts are from what came, example by example, in JAX.

Outputs are forecasts of steps, `[batch, H]`, or of Q quantiles of each, `[batch, H * Q]`, the quantiles of
a step side by side. Targets are what `funcdl.data.windows.windows` gives with `details`; there are
steps as a model sees them, scaled, and the values of the series. All functions return `[batch]`, the mean
over the H steps, in float32 at least.

Quantiles are sorted before they are measured: those of a network may cross, and sorting never makes
the pinball loss larger (Chernozhukov, Fernandez-Val and Galichon, "Quantile and probability curves
without crossing", Econometrica 78, 2010, proposition 4). The middle one is the median, which is the point
forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from funcdl.types import Array

Targets = Mapping[str, Array]

# The least size of a value that a relative error divides by: as scikit-learn has it.
LEAST = float(np.finfo(np.float64).eps)


def quantiles(outputs: Array, targets: Targets) -> Array:
    """Forecasts of each step's quantiles, sorted: `[batch, H * Q] -> [batch, H, Q]`."""
    wide = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
    found = jnp.reshape(wide, (len(wide), targets["steps"].shape[-1], -1))
    return found if found.shape[-1] == 1 else jnp.sort(found, axis=-1)


def points(outputs: Array, targets: Targets) -> Array:
    """The point forecasts of the steps, `[batch, H]`: the median, where there are quantiles."""
    found = quantiles(outputs, targets)
    return found[..., found.shape[-1] // 2]


def in_values(steps: Array, targets: Targets) -> Array:
    """Forecasts of values from forecasts of steps, both `[batch, H]`.

    A step is the value itself, or the change since the value before: of that, or of its logarithm. Changes
    add up from the last value known.

    >>> one = {"scale": jnp.array([2.0]), "mean": jnp.array([0.0]), "last": jnp.array([10.0])}
    >>> in_values(jnp.array([[1.0, -3.0]]), one | {"transform": jnp.array([1])}).tolist()
    [[12.0, 6.0]]
    """
    told = {name: targets[name][:, None] for name in ("scale", "mean", "last", "transform")}
    own = steps * told["scale"] + told["mean"]
    path = jnp.cumsum(own, axis=-1)
    changed = jnp.where(told["transform"] == 1, told["last"] + path, told["last"] * jnp.exp(path))
    return jnp.where(told["transform"] == 0, own, changed)


def squared_error(outputs: Array, targets: Targets) -> Array:
    """Returns `mean_h (f[h] - y[h])^2` of scaled steps."""
    return jnp.mean(jnp.square(points(outputs, targets) - targets["steps"]), axis=-1)


def absolute_error(outputs: Array, targets: Targets) -> Array:
    """Returns `mean_h |f[h] - y[h]|` of scaled steps."""
    return jnp.mean(jnp.abs(points(outputs, targets) - targets["steps"]), axis=-1)


def absolute_percentage_error(outputs: Array, targets: Targets) -> Array:
    """Returns `mean_h |f[h] - y[h]| / max(|y[h]|, 2.2e-16)` of values: a fraction, .01 is one per cent.

    Values at 0 make it huge, though finite, as in scikit-learn; there it means nothing.
    """
    size = jnp.maximum(jnp.abs(targets["future"]), LEAST)
    return jnp.mean(_value_errors(outputs, targets) / size, axis=-1)


def symmetric_percentage_error(outputs: Array, targets: Targets) -> Array:
    """Returns `mean_h 2 |f[h] - y[h]| / (|y[h]| + |f[h]|)` of values, from 0 to 2; 0 where both are 0.

    Source: Makridakis and Hibon, "The M3-Competition", International Journal of Forecasting 16, 2000.
    """
    forecast = in_values(points(outputs, targets), targets)
    size = jnp.abs(forecast) + jnp.abs(targets["future"])
    ratio = 2 * jnp.abs(forecast - targets["future"]) / jnp.where(size == 0, 1.0, size)
    return jnp.mean(ratio, axis=-1)


def absolute_scaled_error(outputs: Array, targets: Targets) -> Array:
    """Returns `mean_h |f[h] - y[h]| / naive` of values: below 1 is better than naive in training.

    `naive` is the mean absolute error of the naive forecast of one step in the series' own past, and 1
    for a series that did not change.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22, 2006.
    """
    return jnp.mean(_value_errors(outputs, targets) / targets["naive"][:, None], axis=-1)


def pinball(levels: Sequence[float] = (0.5,)) -> Callable[[Array, Targets], Array]:
    """Makes the pinball loss of steps in their own unit (prices, or logarithmic returns).

    `mean_h mean_q max(q e, (q - 1) e)` with `e = y[h] - f[h, q]`; a forecast without quantiles is one of the
    median. It is of steps and not of values, since quantiles of changes do not add up to quantiles of
    what they lead to.

    Source: Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978.

    Args:
      levels: of the quantiles, `[Q]`, rising.
    """

    def loss(outputs: Array, targets: Targets) -> Array:
        found = scaled_pinball(quantiles(outputs, targets), targets["steps"], levels)
        return found * targets["scale"]

    return loss


def scaled_pinball(found: Array, steps: Array, levels: Sequence[float]) -> Array:
    """The pinball loss of scaled steps, `[batch]`.

    Args:
      found: `[batch, H, Q]`, the quantiles as they are.
      steps: `[batch, H]`, what came.
      levels: `[Q]`.

    >>> scaled_pinball(jnp.zeros((1, 1, 2)), jnp.ones((1, 1)), (0.25, 0.75)).tolist()
    [0.5]
    """
    tau = jnp.asarray(levels, jnp.float32)[None, None]
    error = steps[..., None] - found
    return jnp.mean(jnp.maximum(tau * error, (tau - 1) * error), axis=(-2, -1))


def _value_errors(outputs: Array, targets: Targets) -> Array:
    """`|f - y|` of values, `[batch, H]`."""
    return jnp.abs(in_values(points(outputs, targets), targets) - targets["future"])
