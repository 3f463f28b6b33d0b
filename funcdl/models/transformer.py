"""A small transformer encoder."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_sequences
from funcdl.models.product import inner, matmul


class Transformer(nn.Module):
    """A pre-norm transformer encoder with learned positions, read out as the mean over time.

    Vaswani et al. (2017), with the norm before each sublayer (Xiong et al., 2020):
    `x <- x + attention(norm(x))`, `x <- x + mlp(norm(x))`. Attention is full: no mask.

    Attributes:
        outputs: width of the output; filled by the task.
        width: width of the residual stream.
        depth: number of layers.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs, in multiples of `width`.
        dropout: probability of dropping an output of a sublayer in training.
    """

    outputs: int
    width: int = 64
    depth: int = 2
    heads: int = 4
    expansion: int = 4
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, time, features]`, or images read as rows, to `[batch, outputs]`."""
        if self.width % self.heads:
            raise ValueError(
                f"heads: {self.heads} does not divide width: {self.width}; choose a divisor"
            )
        x_BxTxF = as_sequences(inputs)
        x_BxTxW = dense(self.width)(x_BxTxF)
        x_BxTxW += self.param("positions", initial.positions, (1, *x_BxTxW.shape[1:]))
        B, T, W = x_BxTxW.shape
        # All but attention works on positions by themselves. As rows of a matrix, N = B x T, their
        # products need no copies on a CPU, and their norms are faster, too.
        x_NxW = jnp.reshape(x_BxTxW, (B * T, W))
        for _ in range(self.depth):
            x_NxW += self._drop(self._attention(nn.LayerNorm()(x_NxW), T), train)
            x_NxW += self._drop(self._mlp(nn.LayerNorm()(x_NxW)), train)
        x_BxW = jnp.mean(jnp.reshape(nn.LayerNorm()(x_NxW), (B, T, W)), axis=1)
        return dense(self.outputs)(x_BxW)

    def _attention(self, x_NxW: jax.Array, T: int) -> jax.Array:
        """Each position reads all positions: `softmax(q k / sqrt(D)) v` in each head."""
        W, H, D = self.width, self.heads, self.width // self.heads
        qkv_BxTx3xHxD = jnp.reshape(dense(3 * W)(x_NxW), (-1, T, 3, H, D))
        q_BxHxTxD, k_BxHxTxD, v_BxHxTxD = jnp.transpose(qkv_BxTx3xHxD, (2, 0, 3, 1, 4))
        att_BxHxTxT = jax.nn.softmax(inner(q_BxHxTxD, k_BxHxTxD) * D**-0.5, axis=-1)
        out_BxTxHxD = jnp.swapaxes(matmul(att_BxHxTxT, v_BxHxTxD), 1, 2)
        return dense(W)(jnp.reshape(out_BxTxHxD, x_NxW.shape))

    def _mlp(self, x_NxW: jax.Array) -> jax.Array:
        """Each position by itself."""
        return dense(self.width)(nn.gelu(dense(self.expansion * self.width)(x_NxW)))

    def _drop(self, x: jax.Array, train: bool) -> jax.Array:
        return Dropout(self.dropout)(x, train=train)
