"""Ids as vectors: the table of embeddings that every model of texts begins with.

The gradient of a look-up adds each position's gradient to its token's row. On a CPU this scatter was
measured to take 0.3 ms for 64 texts of 64 tokens and 1.7 ms for 64 of 128 (5000 tokens, width 32 and
64); a product with one-hot vectors takes a hundred times as long, sorting first twice as long.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.errors import DataError
from funcdl.models import initial

PADDING = 0  # the id that stands for no token


class Embedding(nn.Module):
    """A vector for each token, `x = E[id]`; that of padding is zero and is not trained.

    The table starts uniform, with a variance of `1 / width`: vectors of length one, about.

    Attributes:
        tokens: how many ids there are, padding included; the data say so.
        width: of the vectors.
    """

    tokens: int
    width: int

    @nn.compact
    def __call__(self, ids: jax.Array) -> jax.Array:
        """Maps integers `[...]` in 0..tokens-1 to `[..., width]`; larger ones are read as the last.

        Raises:
            DataError: there are no tokens to embed.
        """
        if self.tokens < 1:
            raise DataError(
                "the inputs are integers, but the data do not say how many ids they number: choose "
                'data that do (text, reviews), set ids={"tokens": n} of the Dataset, or give numbers '
                "with a fraction as float32"
            )
        table = self.param("table", initial.embeddings, (self.tokens, self.width))
        # Rows are added up in float32 at least: a frequent token's would come to a halt in 8 bits.
        wide = table.astype(jnp.promote_types(table.dtype, jnp.float32))
        x = jnp.take(wide, ids, axis=0, mode="clip").astype(table.dtype)
        return jnp.where(there(ids)[..., None], x, jnp.zeros_like(x))


def are_ids(inputs: jax.Array) -> bool:
    """Whether these are sequences of ids, integers `[batch, time]`.

    >>> are_ids(jnp.zeros((2, 5), int)), are_ids(jnp.zeros((2, 5)))
    (True, False)
    """
    return inputs.ndim == 2 and jnp.issubdtype(inputs.dtype, jnp.integer)


def as_ids(inputs: jax.Array) -> jax.Array:
    """The inputs, if they are sequences of ids.

    Raises:
        DataError: they are something else.
    """
    if not are_ids(inputs):
        raise DataError(
            f"this model takes ids of tokens, integers [batch, time]; the inputs are {inputs.dtype} "
            f"of shape {list(inputs.shape)}: reshape them to whole numbers [batch, time], or choose "
            "logistic or mlp, which take inputs of any shape"
        )
    return inputs


def there(ids: jax.Array) -> jax.Array:
    """Where there is a token and no padding: bool, of the shape of `ids`."""
    return ids != PADDING


def mean_weights(present: jax.Array, dtype: jax.typing.DTypeLike = float) -> jax.Array:
    """The weights `[batch, time]` with which a sum over time is the mean over what is present.

    All are zero where nothing is present.

    >>> mean_weights(jnp.array([[True, True, False], [False, False, False]])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    counts = jnp.maximum(jnp.sum(present, axis=1, keepdims=True), 1)
    return (present / counts).astype(dtype)


def last_weights(present: jax.Array, dtype: jax.typing.DTypeLike = float) -> jax.Array:
    """The weights `[batch, time]` with which a sum over time picks the last that is present.

    >>> last_weights(jnp.array([[True, True, False]])).tolist()
    [[0.0, 1.0, 0.0]]
    """
    later = jnp.cumsum(present[:, ::-1], axis=1)[:, ::-1]  # how many there are from here on
    return (present & (later == 1)).astype(dtype)
