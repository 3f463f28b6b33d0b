"""A convolutional network over the tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.activation import activate
from funcdl.models.convolution import conv_general_dilated
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.embedding import Embedding, as_ids, there


class TextCNN(nn.Module):
    """Filters over windows of tokens, each filter's maximum over time, then one affine map.

    Kim (2014), "Convolutional neural networks for sentence classification", section 2, with one
    table of embeddings that is trained. The activation comes after the maximum, where it costs less
    and, increasing, changes nothing. Windows that reach into padding are not looked at, but for the
    first of a text that is shorter than the window.

    Attributes:
        outputs: width of the output; filled by the task.
        tokens: how many ids there are; filled by the data.
        embedding: width of the tokens' vectors.
        widths: tokens that a window holds, for each kind of filter.
        filters: filters of each width.
        activation: what follows the maximum.
        dropout: probability of dropping an input of the last layer in training.
    """

    outputs: int
    tokens: int = 0
    embedding: int = 64
    widths: Sequence[int] = (3, 4, 5)
    filters: int = 64
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps ids `[batch, time]` to `[batch, outputs]`."""
        ids = as_ids(inputs)
        x_BxTxE = Embedding(self.tokens, self.embedding)(ids)
        found = [self._strongest(x_BxTxE, there(ids), width) for width in self.widths]
        h = activate(self.activation, jnp.concatenate(found, axis=-1))
        return dense(self.outputs)(Dropout(self.dropout)(h, train=train))

    def _strongest(self, x_BxTxE: jax.Array, there_BxT: jax.Array, width: int) -> jax.Array:
        """The maximum over time of the filters of one width, `[batch, filters]`."""
        beyond = width - 1
        x_BxTxE = jnp.pad(x_BxTxE, ((0, 0), (0, beyond), (0, 0)))
        h_BxTxF = nn.Conv(
            self.filters,
            (width,),
            padding="VALID",
            kernel_init=initial.weights,
            conv_general_dilated=conv_general_dilated,
        )(x_BxTxE)
        whole_BxT = jnp.pad(there_BxT, ((0, 0), (0, beyond)))[:, beyond:]  # the last token is one
        whole_BxT = whole_BxT.at[:, 0].set(True)
        lowest = jnp.full_like(h_BxTxF, jnp.finfo(h_BxTxF.dtype).min)
        return jnp.max(jnp.where(whole_BxT[..., None], h_BxTxF, lowest), axis=1)
