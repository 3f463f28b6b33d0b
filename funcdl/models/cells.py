"""The cells of recurrent layers: a step, and its gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from funcdl.models.recurrence import Arrays, Cell


def _lstm(
    of_input: jax.Array, of_state: jax.Array, _: jax.Array, carried: Arrays
) -> tuple[Arrays, Arrays]:
    """`i, f, o = sigmoid(..), g = tanh(..); c <- f c + i g; h <- o tanh(c)`."""
    h, before = carried
    # One kernel for all gates: sigmoid(x) is 1/2 + tanh(x / 2) / 2.
    halves = jnp.repeat(jnp.asarray([0.5, 0.5, 0.5, 1.0], h.dtype), h.shape[-1])[None]
    i, f, o, g = jnp.split(jnp.tanh(halves * (of_input + of_state)), 4, -1)
    i, f, o = 0.5 + 0.5 * i, 0.5 + 0.5 * f, 0.5 + 0.5 * o
    c = f * before + i * g
    bent = jnp.tanh(c)
    return (o * bent, c), (i, f, o, g, before, bent)


def _lstm_back(
    kept: Arrays, d_carried: Arrays
) -> tuple[jax.Array, jax.Array, jax.Array, tuple[Any, ...]]:
    i, f, o, g, before, bent = kept
    d_h, d_c = d_carried
    d_c = d_c + d_h * o * (1 - bent * bent)
    d_gates = jnp.concatenate(
        [
            d_c * g * (i * (1 - i)),
            d_c * before * (f * (1 - f)),
            d_h * bent * (o * (1 - o)),
            d_c * i * (1 - g * g),
        ],
        -1,
    )
    return d_gates, d_gates, jnp.zeros(0, d_gates.dtype), (None, d_c * f)


def _gru(
    of_input: jax.Array, of_state: jax.Array, bias: jax.Array, carried: Arrays
) -> tuple[Arrays, Arrays]:
    """`r, z = sigmoid(..); n = tanh(.. + r p); h <- n + z (h - n)`, with `p` of the state."""
    (h,) = carried
    both, last = slice(2 * h.shape[-1]), slice(2 * h.shape[-1], None)
    r, z = jnp.split(jax.nn.sigmoid(of_input[:, both] + of_state[:, both]), 2, -1)
    p = of_state[:, last] + bias
    n = jnp.tanh(of_input[:, last] + r * p)
    return (n + z * (h - n),), (r, z, n, p, h)


def _gru_back(
    kept: Arrays, d_carried: Arrays
) -> tuple[jax.Array, jax.Array, jax.Array, tuple[Any, ...]]:
    (r, z, n, p, before), (d_h,) = kept, d_carried
    d_n = d_h * (1 - z) * (1 - n * n)
    d_z = d_h * (before - n) * (z * (1 - z))
    d_r = d_n * p * (r * (1 - r))
    d_p = d_n * r
    d_of_input = jnp.concatenate([d_r, d_z, d_n], -1)
    d_of_state = jnp.concatenate([d_r, d_z, d_p], -1)
    return d_of_input, d_of_state, d_p.sum(0), (d_h * z,)


LSTM_CELL = Cell(2, _lstm, _lstm_back)
GRU_CELL = Cell(1, _gru, _gru_back)
