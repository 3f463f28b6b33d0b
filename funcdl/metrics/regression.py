"""How far predictions are from what came, example by example.

All functions take `outputs` `[batch, d]` and `targets` `[batch]` (then d is 1) or `[batch, d]`, and
return `[batch]`: the mean over the d coordinates.
"""

from __future__ import annotations

import jax.numpy as jnp

from funcdl.types import Array


def squared_error(outputs: Array, targets: Array) -> Array:
    """Returns `mean_j (outputs[j] - targets[j])^2`; its mean over examples is the MSE.

    >>> squared_error(jnp.array([[1.0], [4.0]]), jnp.array([1.0, 2.0])).tolist()
    [0.0, 4.0]
    """
    return jnp.mean(jnp.square(_errors(outputs, targets)), axis=-1)


def absolute_error(outputs: Array, targets: Array) -> Array:
    """Returns `mean_j |outputs[j] - targets[j]|`; its mean over examples is the MAE.

    >>> absolute_error(jnp.array([[1.0, 4.0]]), jnp.array([[2.0, 1.0]])).tolist()
    [2.0]
    """
    return jnp.mean(jnp.abs(_errors(outputs, targets)), axis=-1)


METRICS = {"loss": squared_error, "mse": squared_error, "mae": absolute_error}


def _errors(outputs: Array, targets: Array) -> Array:
    """`[batch, d]`, in float32 at least.

    Raises:
      ValueError: if the shapes differ; `[batch, 1]` minus `[batch]` would be `[batch, batch]`.
    """
    wide = jnp.promote_types(outputs.dtype, jnp.float32)
    columns = targets[:, None] if targets.ndim == 1 else targets
    if outputs.shape != columns.shape:
        raise ValueError(
            f"outputs have shape {outputs.shape} and targets {targets.shape}; "
            "allowed are [batch, d] and [batch, d], or [batch, 1] and [batch]"
        )
    return outputs.astype(wide) - columns.astype(wide)
