"""The largest product of a filter with the windows of a sequence, whose gradient visits the winners only.

Of all windows that a filter meets, only the one with the largest product reaches the output, so
the gradient needs one window per filter and example. Autodiff of a product and a maximum multiplies
all of them with a matrix that is zero but for these: two thirds of the work of a text's network on a
CPU. Here the winners are gathered. The rule is a forward derivative, which JAX transposes by itself
(to sums, and one scatter-add): `jvp`, `vmap`, and derivatives of any order work.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models.product import matmul


def largest_product(x_BxTxE: jax.Array, kernel: jax.Array, allowed_BxTxF: jax.Array) -> jax.Array:
    """`max over t of <window of x that begins at t, kernel_f>`; behind the sequence there are zeros.

    Windows that tie for the maximum share the gradient on accelerators; on a CPU the first has it. Windows
    of equal tokens tie, and then both ways give their parameters the same.

    Args:
        x_BxTxE: sequences.
        kernel: `[window * E, F]`.
        allowed_BxTxF: bool, which windows are looked at; at least one per example and filter.

    Returns:
        `[batch, F]`.

    >>> x, kernel = jnp.array([[[1.0], [3.0], [2.0]]]), jnp.ones((2, 1))
    >>> largest_product(x, kernel, jnp.ones((1, 3, 1), bool)).tolist()
    [[5.0]]
    """
    way = _by_winners if jax.default_backend() == "cpu" else _plain
    return way(x_BxTxE, kernel, allowed_BxTxF)


def _plain(x_BxTxE: jax.Array, kernel: jax.Array, allowed_BxTxF: jax.Array) -> jax.Array:
    return jnp.max(_products(x_BxTxE, kernel, allowed_BxTxF), axis=1)


_by_winners = jax.custom_jvp(_plain)


@_by_winners.defjvp
def _by_winners_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (x_BxTxE, kernel, allowed), (dx, dkernel, _) = primals, tangents
    products = lax.stop_gradient(_products(x_BxTxE, kernel, allowed))
    largest = jnp.max(products, axis=1, keepdims=True)
    T = products.shape[1]
    # `argmax` is slow here. Where NaN is the largest, nothing equals it; then any window will do.
    when = jnp.where(products == largest, jnp.arange(T, dtype=jnp.int32)[None, :, None], T - 1)
    first_BxF = jnp.min(when, axis=1)
    wide = jnp.promote_types(kernel.dtype, jnp.float32)  # a sum of bfloat16 would halt

    def slope(x: jax.Array, kernel: jax.Array) -> jax.Array:
        windows_BxFxK = _windows_at(x.astype(wide), first_BxF, len(kernel))
        return jnp.sum(windows_BxFxK * kernel.astype(wide).T[None], axis=-1)

    total = slope(dx, kernel) + slope(x_BxTxE, dkernel)
    return _by_winners(x_BxTxE, kernel, allowed), total.astype(largest.dtype)


def _products(x_BxTxE: jax.Array, kernel: jax.Array, allowed_BxTxF: jax.Array) -> jax.Array:
    """Of every window, `[batch, time, F]`; the lowest number where it is not looked at."""
    B, T, E = x_BxTxE.shape
    padded = _padded(x_BxTxE, len(kernel) // E)
    shifts = [padded[:, i : i + T] for i in range(len(kernel) // E)]
    windows = jnp.reshape(jnp.concatenate(shifts, axis=-1), (B * T, -1))
    products = jnp.reshape(matmul(windows, kernel), (B, T, -1))
    lowest = jnp.full_like(products, jnp.finfo(products.dtype).min)
    return jnp.where(allowed_BxTxF, products, lowest)


def _windows_at(x_BxTxE: jax.Array, first_BxF: jax.Array, length: int) -> jax.Array:
    """The windows of `length` numbers that begin at these times, `[batch, F, length]`."""
    B, _, E = x_BxTxE.shape
    flat = jnp.reshape(_padded(x_BxTxE, length // E), (B, -1))

    def one(row: jax.Array, t: jax.Array) -> jax.Array:
        return lax.dynamic_slice_in_dim(row, t * E, length)

    return jax.vmap(jax.vmap(one, (None, 0)))(flat, first_BxF)


def _padded(x_BxTxE: jax.Array, window: int) -> jax.Array:
    return jnp.pad(x_BxTxE, ((0, 0), (0, window - 1), (0, 0)))
