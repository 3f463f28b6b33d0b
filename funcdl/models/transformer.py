"""A small transformer encoder."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.attention import Block, present
from funcdl.models.dense import dense
from funcdl.models.embedding import Embedding, are_ids, mean_weights, there
from funcdl.models.inputs import as_sequences


class Transformer(nn.Module):
    """A pre-norm transformer encoder with learned positions, read out as the mean over time.

    Its layers are `funcdl.models.attention.Block`. Attention is full: each position reads all. Where
    inputs are ids, padding is neither read nor counted in the mean.

    Attributes:
        outputs: width of the output; filled by the task.
        tokens: how many ids there are, where inputs are ids; filled by the data.
        width: width of the residual stream.
        depth: number of layers.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs, in multiples of `width`.
        dropout: probability of dropping an output of a sublayer in training.
    """

    outputs: int
    tokens: int = 0
    width: int = 64
    depth: int = 2
    heads: int = 4
    expansion: int = 4
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps ids `[batch, time]`, vectors `[batch, time, features]`, or images to `[batch, outputs]`.

        Of images, rows are read from the top.
        """
        if are_ids(inputs):
            x_BxTxW = Embedding(self.tokens, self.width)(inputs)
            mask, weights_BxT = present(there(inputs)), mean_weights(there(inputs), x_BxTxW.dtype)
        else:
            x_BxTxW, mask, weights_BxT = dense(self.width)(as_sequences(inputs)), None, None
        x_BxTxW += self.param("positions", initial.positions, (1, *x_BxTxW.shape[1:]))
        for _ in range(self.depth):
            block = Block(self.width, self.heads, self.expansion, self.dropout)
            x_BxTxW = block(x_BxTxW, mask, train=train)
        x_BxTxW = nn.LayerNorm()(x_BxTxW)
        if weights_BxT is None:
            return dense(self.outputs)(jnp.mean(x_BxTxW, axis=1))
        return dense(self.outputs)(jnp.sum(x_BxTxW * weights_BxT[..., None], axis=1))
