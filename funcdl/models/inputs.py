"""How a model reads its inputs: as vectors, as images, or as sequences."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from funcdl.errors import DataError


def as_vectors(inputs: jax.Array) -> jax.Array:
    """Reads each example as one vector: `[batch, ...] -> [batch, features]`.

    >>> as_vectors(jnp.zeros((2, 8, 8, 1))).shape
    (2, 64)
    """
    return jnp.reshape(inputs, (inputs.shape[0], -1))


def as_images(inputs: jax.Array) -> jax.Array:
    """Reads each example as an image; `[batch, height, width, channels]` is left as it is.

    Raises:
        DataError: the inputs do not have four axes.
    """
    if inputs.ndim != 4:
        raise DataError(
            f"this model takes images, [batch, height, width, channels]; the inputs have shape "
            f"{list(inputs.shape)}: reshape them (one channel: inputs[..., None]), or choose "
            "logistic or mlp, which take inputs of any shape"
        )
    return inputs


def as_sequences(inputs: jax.Array) -> jax.Array:
    """Reads each example as a sequence; an image is the sequence of its rows, from the top.

    Args:
        inputs: `[batch, time, features]`, or `[batch, height, width, channels]`.

    Returns:
        `[batch, time, features]`; for images time is height and features are width x channels.

    Raises:
        DataError: the inputs have neither three nor four axes.

    >>> as_sequences(jnp.zeros((2, 8, 6, 3))).shape
    (2, 8, 18)
    """
    if inputs.ndim == 3:
        return inputs
    if inputs.ndim == 4:
        return jnp.reshape(inputs, (*inputs.shape[:2], -1))
    raise DataError(
        f"this model takes sequences, [batch, time, features], or images, [batch, height, width, "
        f"channels], read as rows; the inputs have shape {list(inputs.shape)}: reshape them, or "
        "choose logistic or mlp, which take inputs of any shape"
    )
