"""A small transformer encoder."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_sequences


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
        x_BxTxW = nn.Dense(self.width, kernel_init=initial.weights)(x_BxTxF)
        x_BxTxW += self.param("positions", initial.positions, (1, *x_BxTxW.shape[1:]))
        for _ in range(self.depth):
            x_BxTxW += self._drop(self._attention(nn.LayerNorm()(x_BxTxW)), train)
            x_BxTxW += self._drop(self._mlp(nn.LayerNorm()(x_BxTxW)), train)
        x_BxW = jnp.mean(nn.LayerNorm()(x_BxTxW), axis=1)
        return nn.Dense(self.outputs, kernel_init=initial.weights)(x_BxW)

    def _attention(self, x_BxTxW: jax.Array) -> jax.Array:
        """Each position reads all positions: `softmax(q k / sqrt(D)) v` in each head."""
        B, T, W = x_BxTxW.shape
        H, D = self.heads, W // self.heads
        qkv_BxTx3W = nn.Dense(3 * W, kernel_init=initial.weights)(x_BxTxW)
        q_BxTxHxD, k_BxTxHxD, v_BxTxHxD = jnp.moveaxis(
            jnp.reshape(qkv_BxTx3W, (B, T, 3, H, D)), 2, 0
        )
        att_BxHxTxT = jnp.einsum("bthd,bshd->bhts", q_BxTxHxD, k_BxTxHxD) * D**-0.5
        att_BxHxTxT = jax.nn.softmax(att_BxHxTxT, axis=-1)
        out_BxTxHxD = jnp.einsum("bhts,bshd->bthd", att_BxHxTxT, v_BxTxHxD)
        return nn.Dense(W, kernel_init=initial.weights)(jnp.reshape(out_BxTxHxD, (B, T, W)))

    def _mlp(self, x_BxTxW: jax.Array) -> jax.Array:
        """Each position by itself."""
        h = nn.Dense(self.expansion * self.width, kernel_init=initial.weights)(x_BxTxW)
        return nn.Dense(self.width, kernel_init=initial.weights)(nn.gelu(h))

    def _drop(self, x: jax.Array, train: bool) -> jax.Array:
        return Dropout(self.dropout)(x, train=train)
