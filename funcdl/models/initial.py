"""How weights start: uniform draws, which compile faster than normal ones."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

# LeCun's variance, 1 / fan_in, as Linen's default has it, but drawn from a uniform distribution:
# a truncated normal needs the inverse error function, and `init` takes longer to compile.
weights = nn.initializers.lecun_uniform()


def positions(key: jax.Array, shape: tuple[int, ...], dtype: Any = None) -> jax.Array:
    """Learned positions: uniform in (-0.02, 0.02), small beside the tokens they are added to."""
    return jax.random.uniform(key, shape, dtype or float, -0.02, 0.02)


def columns(key: jax.Array, shape: tuple[int, ...], dtype: Any = None) -> jax.Array:
    """A table's columns as tokens: uniform of variance 1 / (3 width), as Gorishniy et al. (2021) do."""
    bound = shape[-1] ** -0.5
    return jax.random.uniform(key, shape, dtype or float, -bound, bound)


def embeddings(key: jax.Array, shape: tuple[int, ...], dtype: Any = None) -> jax.Array:
    """A vector for each id: uniform of variance 1 / width, so that vectors have a length of about 1."""
    bound = (3 / shape[-1]) ** 0.5
    return jax.random.uniform(key, shape, dtype or float, -bound, bound)
