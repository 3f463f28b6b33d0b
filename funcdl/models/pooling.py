"""Pooling whose gradient is fast and deterministic.

The gradient of XLA's windowed maximum is slow on CPUs and has no deterministic GPU kernel. Windows
that do not overlap need none of it: they are a reshape and, axis by axis, a maximum of slices,
whose gradient was measured to be faster than that of one reduction over the window.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


def max_pool(
    inputs: jax.Array,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Any = "VALID",
) -> jax.Array:
    """The largest entry of each window, as `flax.linen.max_pool`.

    Entries that tie for the maximum share the gradient where windows do not overlap (`flax` gives
    it all to one of them).

    Args:
        inputs: `[batch, *space, channels]`.
        window: the window's size, per spatial axis.
        strides: its step, per spatial axis; None means the window itself (`flax` has 1 there).
        padding: "VALID" (a remainder is cut off), "SAME", or pairs (before, after).

    Returns:
        `[batch, *pooled space, channels]`.

    >>> max_pool(jnp.arange(6.0).reshape(1, 6, 1), (3,)).ravel().tolist()
    [2.0, 5.0]
    """
    strides = tuple(window) if strides is None else tuple(strides)
    if not _tiles(inputs, window, strides, padding):
        return nn.max_pool(inputs, tuple(window), strides, padding)
    windows = _windows(inputs, window)
    for axis in reversed(_inner(window)):
        entries = [
            jax.lax.index_in_dim(windows, i, axis, False) for i in range(windows.shape[axis])
        ]
        windows = functools.reduce(jnp.maximum, entries)
    return windows


def avg_pool(
    inputs: jax.Array,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Any = "VALID",
) -> jax.Array:
    """The mean of each window, as `flax.linen.avg_pool` (padding counts as zeros).

    Args:
        inputs: `[batch, *space, channels]`.
        window: the window's size, per spatial axis.
        strides: its step, per spatial axis; None means the window itself (`flax` has 1 there).
        padding: "VALID" (a remainder is cut off), "SAME", or pairs (before, after).

    Returns:
        `[batch, *pooled space, channels]`.

    >>> avg_pool(jnp.arange(6.0).reshape(1, 6, 1), (3,)).ravel().tolist()
    [1.0, 4.0]
    """
    strides = tuple(window) if strides is None else tuple(strides)
    if not _tiles(inputs, window, strides, padding):
        return nn.avg_pool(inputs, tuple(window), strides, padding)
    return jnp.mean(_windows(inputs, window), axis=_inner(window))


def _tiles(
    inputs: jax.Array,
    window: Sequence[int],
    strides: tuple[int, ...],
    padding: Any,
) -> bool:
    """Whether the windows neither overlap nor leave gaps nor reach beyond the inputs."""
    space = inputs.shape[1:-1]
    whole = all(n % w == 0 for n, w in zip(space, window, strict=True))
    return strides == tuple(window) and (padding == "VALID" or (padding == "SAME" and whole))


def _windows(inputs: jax.Array, window: Sequence[int]) -> jax.Array:
    """`[batch, *space, channels] -> [batch, pooled, window, pooled, window, ..., channels]`."""
    counts = [n // w for n, w in zip(inputs.shape[1:-1], window, strict=True)]
    cut = tuple(slice(0, c * w) for c, w in zip(counts, window, strict=True))
    pairs = [size for pair in zip(counts, window, strict=True) for size in pair]
    return jnp.reshape(inputs[:, *cut], (inputs.shape[0], *pairs, inputs.shape[-1]))


def _inner(window: Sequence[int]) -> tuple[int, ...]:
    """The axes of `_windows` that run inside a window."""
    return tuple(2 + 2 * axis for axis in range(len(window)))
