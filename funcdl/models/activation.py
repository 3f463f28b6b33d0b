"""The activation functions a config can name."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "gelu": nn.gelu,
    "tanh": nn.tanh,
    "silu": nn.silu,
}


def activate(name: str, inputs: jax.Array) -> jax.Array:
    """Applies the activation of that name, element by element.

    Raises:
        ValueError: there is no activation of that name.

    >>> activate("relu", jax.numpy.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r}: allowed are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name](inputs)
