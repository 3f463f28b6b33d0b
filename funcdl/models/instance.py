"""Each series by its own measure: the window's mean and deviation, taken out and put back."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from funcdl.models.inputs import as_sequences

EPSILON = 1e-5  # of a variance, as the source has it; a window that does not change has none


def by_own_measure(
    x_BxTxF: jax.Array, level: bool = True
) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
    """Normalises each example over time, and says how to undo it: reversible instance normalisation.

    `x <- (x - m) / s` with the mean m and the deviation s of each feature in its window. What a model
    then says, `y`, is `y * s + m` with those of the first feature, the one that is forecast. So forecasts
    move and grow with the window. Without the learned scale of the source.

    Source: Kim et al., "Reversible instance normalization for accurate time-series forecasting against
    distribution shift" (ICLR 2022).

    Args:
        x_BxTxF: `[batch, time, features]`.
        level: whether m is taken out; otherwise 0 stays 0, which is right for changes, and s is
            the root of the mean square.

    Returns:
        The normalised inputs, and a function of outputs `[batch, outputs]` that undoes it.

    >>> x, back = by_own_measure(jnp.array([[[1.0], [3.0]]]))
    >>> x.ravel().round(2).tolist(), back(jnp.zeros((1, 1))).tolist()
    ([-1.0, 1.0], [[2.0]])
    """
    m = jnp.mean(x_BxTxF, axis=1, keepdims=True) if level else jnp.zeros_like(x_BxTxF[:, :1])
    s = jnp.sqrt(jnp.mean(jnp.square(x_BxTxF - m), axis=1, keepdims=True) + EPSILON)

    def back(y_BxO: jax.Array) -> jax.Array:
        return y_BxO * s[:, 0, :1] + m[:, 0, :1]

    return (x_BxTxF - m) / s, back


def read_normalised(
    inputs: jax.Array, how: str
) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
    """Reads inputs as sequences, `[batch, time, features]`, normalised as a model's config says.

    Args:
        inputs: as `as_sequences` takes them.
        how: "none", "scale" or "level".

    Returns:
        As `by_own_measure`.
    """
    x_BxTxF = as_sequences(inputs)
    if how == "none":
        return x_BxTxF, lambda y_BxO: y_BxO
    return by_own_measure(x_BxTxF, level=how == "level")
