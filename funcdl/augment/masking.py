"""Parts of examples left out: squares of images, stretches of sequences, tokens of texts."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from funcdl.types import Array


def cutout(key: Array, inputs: Array, *, size: float = 8.0) -> Array:
    """Sets a square of each image to 0 (DeVries & Taylor, 2017).

    Its centre is drawn evenly from the image, so that parts of it may lie outside.

    Args:
        key: of this batch.
        inputs: `[batch, height, width, channels]`.
        size: side of the square in pixels; rounded to a whole number by where it falls.
    """
    batch, height, width, _ = inputs.shape
    ends = jnp.asarray([height, width], jnp.float32)
    centre = jax.random.uniform(key, (batch, 2), jnp.float32) * ends[None]
    rows = jnp.arange(height, dtype=jnp.float32)[None, :] + 0.5 - centre[:, :1]
    columns = jnp.arange(width, dtype=jnp.float32)[None, :] + 0.5 - centre[:, 1:]
    in_rows, in_columns = jnp.abs(rows) < size / 2, jnp.abs(columns) < size / 2
    hidden = in_rows[:, :, None, None] & in_columns[:, None, :, None]
    return jnp.where(hidden, jnp.zeros_like(inputs), inputs)


def time_mask(key: Array, inputs: Array, *, share: float = 0.2) -> Array:
    """Sets a stretch of time of each sequence to 0 (SpecAugment; Park et al., 2019, section 2).

    Its length is drawn evenly from 0 to `share` of the sequence, then its place.

    Args:
        key: of this batch.
        inputs: `[batch, time, features]`.
        share: the longest stretch, as a part of the whole; 0 to 1.
    """
    batch, time, _ = inputs.shape
    drawn = jax.random.uniform(key, (batch, 2), jnp.float32)
    length = drawn[:, :1] * (share * time)
    start = drawn[:, 1:] * (time - length)
    middle = jnp.arange(time, dtype=jnp.float32)[None, :] + 0.5
    hidden = (middle > start) & (middle < start + length)
    return jnp.where(hidden[..., None], jnp.zeros_like(inputs), inputs)


def token_dropout(key: Array, inputs: Array, *, rate: float = 0.1, token: int = 1) -> Array:
    """Replaces some ids of each sequence (word dropout; Iyyer et al., 2015); padding, 0, stays.

    Args:
        key: of this batch.
        inputs: ids `[batch, time]`.
        rate: the probability of each id.
        token: what stands in their place: 1 is the unknown word of a text; in histories of items,
            where 1 is an item, say 0.
    """
    dropped = jax.random.bernoulli(key, rate, inputs.shape) & (inputs != 0)
    return jnp.where(dropped, jnp.full_like(inputs, token), inputs)
