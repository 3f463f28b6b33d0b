"""Values changed a little: noise, another scale, another example's features."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from funcdl.types import Array


def noise(key: Array, inputs: Array, *, scale: float = 0.1) -> Array:
    """Adds a normal draw to every value (of sequences this is known as jittering).

    Args:
        key: of this batch.
        inputs: floats `[batch, ...]`.
        scale: the draws' standard deviation, in the unit of the inputs.
    """
    drawn = jax.random.normal(key, inputs.shape, inputs.dtype)
    return inputs + drawn * jnp.asarray(scale, inputs.dtype)


def scaling(key: Array, inputs: Array, *, scale: float = 0.1) -> Array:
    """Multiplies each feature of each example by `1 + scale z`, z a normal draw (Um et al., 2017).

    Args:
        key: of this batch.
        inputs: floats `[batch, ..., features]`; a feature, or an image's channel, is multiplied by
            the same number at all times, or in all pixels.
        scale: the factors' standard deviation.
    """
    shape = (inputs.shape[0], *(1 for _ in inputs.shape[1:-1]), inputs.shape[-1])
    drawn = jax.random.normal(key, shape, inputs.dtype)
    return inputs * (1 + drawn * jnp.asarray(scale, inputs.dtype))


def feature_swap(key: Array, inputs: Array, *, rate: float = 0.1) -> Array:
    """Replaces some values by the same feature's of other examples of the batch.

    Each is then a draw from its feature's marginal distribution, as in SCARF (Bahri et al., 2022,
    section 3).

    Args:
        key: of this batch.
        inputs: `[batch, features]`.
        rate: the probability of each value.
    """
    batch, features = inputs.shape
    which, where = jax.random.split(key)
    swapped = jax.random.bernoulli(which, rate, inputs.shape)
    donors = jax.random.randint(where, inputs.shape, 0, batch)
    columns = jnp.broadcast_to(jnp.arange(features)[None], inputs.shape)
    return jnp.where(swapped, inputs[donors, columns], inputs)
