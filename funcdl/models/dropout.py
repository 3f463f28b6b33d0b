"""Dropout whose rate may be traced, so that a search over rates compiles once."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.types import Array


class Dropout(nn.Module):
    """Drops inputs with probability `rate` and scales the others by 1 / (1 - rate).

    Srivastava et al. (2014), in the inverted form. `flax.linen.Dropout` looks at its rate in Python,
    so it cannot be traced. A rate that is the Python number 0 costs nothing.

    Attributes:
        rate: probability of dropping an input, in [0, 1); a float or a float32 scalar.
    """

    rate: Any

    @nn.compact
    def __call__(self, inputs: Array, *, train: bool) -> Array:
        """Applies dropout in training; draws from the "dropout" stream.

        Args:
            inputs: `[...]` of floats.
            train: whether to drop anything.
        """
        if not train or (isinstance(self.rate, int | float) and self.rate == 0):
            return inputs
        keep = 1.0 - self.rate
        kept = jax.random.bernoulli(self.make_rng("dropout"), keep, inputs.shape)
        # A traced rate is float32 and would make everything behind it float32, too.
        scaled = jnp.asarray(inputs / keep, inputs.dtype)
        return jnp.where(kept, scaled, jnp.zeros_like(inputs))
