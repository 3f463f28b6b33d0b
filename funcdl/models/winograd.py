"""3x3 convolutions in 16 products for 36: Winograd's minimal filtering, F(2x2, 3x3).

Two neighbouring outputs of a filter of three taps take six products, or four of sums:

    y_0 = m_0 + m_1 + m_2          m_0 = (d_0 - d_2) k_0          m_1 = (d_1 + d_2) (k_0 + k_1 + k_2) / 2
    y_1 = m_1 - m_2 - m_3          m_3 = (d_1 - d_3) k_2          m_2 = (d_2 - d_1) (k_0 - k_1 + k_2) / 2

Along both axes of an image that makes 16 products for a tile of 2x2 outputs in place of 36, and over
channels and features each of the 16 is a product of matrices. The sums are short, and all factors 1 or 1/2:
rounding errors in float32 are those of the plain sum times a small number. All of it is
autodiff's to differentiate: where the tile is cut, `lax.split` is used, whose gradient is one concatenation.

Source: Lavin & Gray, "Fast algorithms for convolutional neural networks" (2016), section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models.product import matmul

SMALLEST = 128
"""Channels times features from which it pays: with fewer, the sums cost more than the products save."""


def pays(
    kernel: jax.Array, strides: Sequence[int], spacing: Sequence[int], groups: int = 1
) -> bool:
    """Whether such a convolution can be done this way, and is faster so on a CPU.

    Args:
        kernel: `[*taps, channels / groups, features]`. Numbers of 16 bits are left alone: the sums
            before the products would round away what they have.
        strides: step of the window, per spatial axis.
        spacing: of the kernel's entries, per spatial axis.
        groups: into which the channels are split.
    """
    *taps, channels, features = kernel.shape
    plain = tuple(taps) == (3, 3) and {*strides, *spacing, groups} == {1}
    return plain and channels * features >= SMALLEST and jnp.finfo(kernel.dtype).bits >= 32


def convolve(inputs: jax.Array, kernel: jax.Array, sizes: Sequence[int]) -> jax.Array:
    """The convolution of padded images with a 3x3 kernel at stride 1.

    Args:
        inputs: `[channels, height + 2, width + 2, batch]`.
        kernel: `[3, 3, channels, features]`.
        sizes: height and width of the result; odd ones are filled up with zeros and cut.

    Returns:
        `[features, height, width, batch]`.

    >>> convolve(jnp.ones((1, 4, 5, 1)), jnp.ones((3, 3, 1, 1)), (2, 3))[0, :, :, 0].tolist()
    [[9.0, 9.0, 9.0], [9.0, 9.0, 9.0]]
    """
    (channels, *_, batch), features = inputs.shape, kernel.shape[-1]
    tiles = high, wide = [-(-size // 2) for size in sizes]
    missing = [2 * n + 2 - held for n, held in zip(tiles, inputs.shape[1:3], strict=True)]
    inputs = jnp.pad(inputs, [(0, 0), *((0, n) for n in missing), (0, 0)])
    turned = jnp.swapaxes(kernel, 2, 3)
    u = jnp.reshape(_of_kernel(_of_kernel(turned, 0), 1), (16, features, channels))
    v = jnp.stack([x for rows in _of_inputs(inputs, 1) for x in _of_inputs(rows, 2)])
    v = jnp.reshape(v, (16, channels, high * wide * batch))
    m = matmul(u, v)  # [16, features, tiles x batch]
    m = jnp.reshape(m, (4, 4, features, high, wide, batch))
    y = jnp.stack([jnp.stack(_of_products(rows, 0), 3) for rows in _of_products(m, 0)], 2)
    return jnp.reshape(y, (features, 2 * high, 2 * wide, batch))[:, : sizes[0], : sizes[1]]


def _of_kernel(kernel: jax.Array, axis: int) -> jax.Array:
    """What the products take of the taps along an axis: 3 entries become 4."""
    first, middle, last = _entries(kernel, axis)
    ends = first + last
    return jnp.stack([first, (ends + middle) / 2, (ends - middle) / 2, last], axis)


def _of_inputs(inputs: jax.Array, axis: int) -> list[jax.Array]:
    """What they take of the inputs: of `2 n + 2` entries along an axis, for each of n tiles 4."""
    n = inputs.shape[axis] // 2 - 1
    shape = (*inputs.shape[:axis], n + 1, 2, *inputs.shape[axis + 1 :])
    even, odd = _entries(jnp.reshape(inputs, shape), axis + 1)
    d0, d2 = (lax.slice_in_dim(even, i, i + n, axis=axis) for i in (0, 1))
    d1, d3 = (lax.slice_in_dim(odd, i, i + n, axis=axis) for i in (0, 1))
    return [d0 - d2, d1 + d2, d2 - d1, d1 - d3]


def _of_products(m: jax.Array, axis: int) -> list[jax.Array]:
    """The two outputs of a tile along an axis, from 4 products."""
    m0, m1, m2, m3 = _entries(m, axis)
    return [m0 + m1 + m2, m1 - m2 - m3]


def _entries(array: jax.Array, axis: int) -> list[jax.Array]:
    parts = lax.split(array, (1,) * array.shape[axis], axis)
    return [jnp.squeeze(part, axis) for part in parts]
