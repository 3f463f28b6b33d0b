"""Images moved, mirrored and turned: `[batch, height, width, channels]`, each by a draw of its own.

Pixels come from where they were by gathers, which cost a CPU a few nanoseconds each; what comes from
outside an image is 0. All numbers may be traced.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from funcdl.types import Array


def shift(key: Array, inputs: Array, *, pixels: float = 2.0) -> Array:
    """Moves each image by a whole number of pixels along each axis, each from -pixels to pixels.

    The usual "pad and crop" (He et al., 2016, section 4.2).

    Args:
        key: of this batch.
        inputs: `[batch, height, width, channels]`.
        pixels: the largest shift; a whole number.
    """
    batch, height, width, _ = inputs.shape
    reach = jnp.asarray(pixels, "float32")
    drawn = jax.random.uniform(key, (batch, 2), jnp.float32, -reach - 0.5, reach + 0.5)
    # Each whole number has an interval of length 1; rounding its very end would leave the last one.
    by = jnp.clip(jnp.round(drawn), -reach, reach).astype(jnp.int32)
    rows = jnp.arange(height)[None, :, None] - by[:, 0, None, None]
    columns = jnp.arange(width)[None, None, :] - by[:, 1, None, None]
    return _at(inputs, *jnp.broadcast_arrays(rows, columns))


def flip(
    key: Array,
    inputs: Array,
    *,
    axis: Literal["horizontal", "vertical"] = "horizontal",
    rate: float = 0.5,
) -> Array:
    """Mirrors some of the images.

    Args:
        key: of this batch.
        inputs: `[batch, height, width, channels]`.
        axis: `horizontal` exchanges left and right, `vertical` top and bottom.
        rate: the probability of each image.

    Raises:
        ValueError: `axis` is neither.
    """
    if axis not in ("horizontal", "vertical"):
        raise ValueError(f"axis: {axis!r} given; allowed horizontal, vertical")
    chosen = jax.random.bernoulli(key, rate, (inputs.shape[0], 1, 1, 1))
    mirrored = jnp.flip(inputs, 2 if axis == "horizontal" else 1)
    return jnp.where(chosen, mirrored, inputs)


def rotate(key: Array, inputs: Array, *, degrees: float = 15.0) -> Array:
    """Turns each image about its centre, by an angle drawn evenly from -degrees to degrees.

    Args:
        key: of this batch.
        inputs: `[batch, height, width, channels]`; between pixels values are bilinear.
        degrees: the largest angle.
    """
    return affine(key, inputs, degrees=degrees, scale=0.0, shear=0.0, pixels=0.0)


def affine(
    key: Array,
    inputs: Array,
    *,
    degrees: float = 10.0,
    scale: float = 0.1,
    shear: float = 0.1,
    pixels: float = 2.0,
) -> Array:
    """Turns, shears, scales and moves each image, every number drawn evenly.

    What a pixel shows comes from `A p + t`, for its place `p` relative to the centre, in (row, column):
    `A = R(angle) [[1, 0], [s, 1]] / factor`, with R a rotation.

    Args:
        key: of this batch.
        inputs: `[batch, height, width, channels]`; between pixels values are bilinear.
        degrees: the largest angle.
        scale: images become larger or smaller by a factor between 1 - scale and 1 + scale; below 1.
        shear: the largest slope.
        pixels: the largest shift along each axis, in parts of pixels, too.
    """
    batch, height, width, _ = inputs.shape
    drawn = jax.random.uniform(key, (batch, 5), jnp.float32, -1.0, 1.0)
    angle, factor, slope = drawn[:, 0], drawn[:, 1], drawn[:, 2]
    angle, factor, slope = angle * degrees * (jnp.pi / 180), 1 + factor * scale, slope * shear
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    matrix = jnp.stack([cos + sin * slope, sin, cos * slope - sin, cos], -1) / factor[:, None]
    a, b, c, d = jnp.split(matrix[:, :, None, None], 4, axis=1)
    row_shift, column_shift = jnp.split(drawn[:, 3:, None, None] * pixels, 2, axis=1)
    up, left = (height - 1) / 2, (width - 1) / 2
    i = jnp.arange(height, dtype=jnp.float32)[None, None, :, None] - up
    j = jnp.arange(width, dtype=jnp.float32)[None, None, None, :] - left
    rows, columns = a * i + b * j + up + row_shift, c * i + d * j + left + column_shift
    return _between(inputs, rows[:, 0], columns[:, 0])


def _between(images: Array, rows: Array, columns: Array) -> Array:
    """The images at places between pixels `[batch, height, width]`: bilinear, 0 outside."""
    top, left = jnp.floor(rows), jnp.floor(columns)
    total = jnp.zeros_like(images)
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - jnp.abs(rows - row)) * (1 - jnp.abs(columns - column))
            pixel = _at(images, row.astype(jnp.int32), column.astype(jnp.int32))
            total += pixel * weight[..., None].astype(images.dtype)
    return total


def _at(images: Array, rows: Array, columns: Array) -> Array:
    """The pixels at these whole places, int32 `[batch, height, width]`; 0 outside the image."""
    batch, height, width, channels = images.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    place = jnp.clip(rows, 0, height - 1) * width + jnp.clip(columns, 0, width - 1)
    flat = jnp.reshape(images, (batch, height * width, channels))
    # Clipped as they are, no place need be checked again.
    take = jax.vmap(lambda image, at: image.at[at].get(mode="promise_in_bounds"))
    found = jnp.reshape(take(flat, jnp.reshape(place, (batch, -1))), images.shape)
    return jnp.where(inside[..., None], found, jnp.zeros_like(found))
