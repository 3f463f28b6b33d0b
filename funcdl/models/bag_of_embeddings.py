"""A bag of embeddings: texts read without their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.activation import activate
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.embedding import Embedding, as_ids, mean_weights, there


class BagOfEmbeddings(nn.Module):
    """The mean of the tokens' vectors, then affine maps: `W mean_t(E[id_t]) + b`.

    Without a hidden layer this is the classifier of fastText (Joulin et al., 2017, "Bag of tricks
    for efficient text classification"), with some a deep averaging network (Iyyer et al., 2015).
    Padding counts nowhere.

    Attributes:
        outputs: width of the output; filled by the task.
        tokens: how many ids there are; filled by the data.
        embedding: width of the tokens' vectors.
        hidden: widths of the hidden layers.
        activation: what follows each hidden layer.
        dropout: probability of dropping, in training, an entry of the mean or a hidden unit.
    """

    outputs: int
    tokens: int = 0
    embedding: int = 64
    hidden: Sequence[int] = ()
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps ids `[batch, time]` to `[batch, outputs]`."""
        ids = as_ids(inputs)
        x_BxTxE = Embedding(self.tokens, self.embedding)(ids)
        h = jnp.sum(x_BxTxE * mean_weights(there(ids), x_BxTxE.dtype)[..., None], axis=1)
        h = Dropout(self.dropout)(h, train=train)
        for width in self.hidden:
            h = activate(self.activation, dense(width)(h))
            h = Dropout(self.dropout)(h, train=train)
        return dense(self.outputs)(h)
