"""SASRec: self-attention over what a person chose, in order."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.attention import Block, attend, causal, present
from funcdl.models.choices import PADDING, Candidates, dot_products, history_of, look_up, scored
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout


class SASRec(nn.Module):
    """Scores `h . v_i + b_i`, where h is a transformer's output at the latest item of a history.

    Kang and McAuley, "Self-attentive sequential recommendation" (ICDM 2018): items and learned
    positions, causal attention, and the items' vectors once more as the last layer. Different here:
    an item has a bias; the MLPs have GELUs and a hidden width of `expansion` times `width`; and an
    example teaches its last position alone, since every position of a history is the last one of an
    example of its own, so that in the last block no other position needs to read. Padding is read by
    nobody.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        width: of the vectors.
        depth: number of blocks, one at least.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs, in multiples of `width`.
        dropout: probability of dropping, in training, an entry of an item's vector or of a sublayer's
            output.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    width: int = 64
    depth: int = 2
    heads: int = 2
    expansion: int = 2
    dropout: float = 0.0
    negatives: int = 512

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"history": [batch, time], ...}` to scores `[batch, items]`."""
        if self.depth < 1 or self.width % self.heads:
            raise ValueError(
                f"depth: {self.depth}, heads: {self.heads}, width: {self.width}; allowed are a depth of 1 "
                "or more, and heads that divide width"
            )
        history_BxT = history_of(inputs)
        T = history_BxT.shape[1]
        items_IxW = self.param("items", initial.embeddings, (self.outputs, self.width))
        bias_I = self.param("bias", nn.initializers.zeros_init(), (self.outputs,))
        x_BxTxW = look_up(items_IxW, history_BxT)
        x_BxTxW += self.param("positions", initial.positions, (1, T, self.width))
        x_BxTxW = self._drop(x_BxTxW, train)
        there_BxT = history_BxT != PADDING
        for _ in range(self.depth - 1):
            block = Block(self.width, self.heads, self.expansion, self.dropout)
            x_BxTxW = block(x_BxTxW, causal(T) & present(there_BxT), train=train)
        latest_BxW = self._latest(x_BxTxW, there_BxT, train)
        parts = items_IxW, bias_I, nn.LayerNorm()(latest_BxW)
        return scored(self, dot_products, parts, self.negatives if train else 0)

    def _latest(self, x_BxTxW: jax.Array, there_BxT: jax.Array, train: bool) -> jax.Array:
        """A block in which the latest position alone reads, `[batch, width]`."""
        (B, T, W), H, D = x_BxTxW.shape, self.heads, self.width // self.heads
        read_BTxW = nn.LayerNorm()(jnp.reshape(x_BxTxW, (B * T, W)))
        latest_BxW = jnp.reshape(read_BTxW, (B, T, W))[:, -1]
        q_BxHx1xD = jnp.reshape(dense(W)(latest_BxW), (B, H, 1, D))
        kv_BxTx2xHxD = jnp.reshape(dense(2 * W)(read_BTxW), (B, T, 2, H, D))
        k_BxHxTxD, v_BxHxTxD = jnp.transpose(kv_BxTx2xHxD, (2, 0, 3, 1, 4))
        found_BxHx1xD = attend(q_BxHx1xD, k_BxHxTxD, v_BxHxTxD, present(there_BxT))
        x_BxW = x_BxTxW[:, -1]
        x_BxW += self._drop(dense(W)(jnp.reshape(found_BxHx1xD, (B, W))), train)
        h_BxW = dense(W)(nn.gelu(dense(self.expansion * W)(nn.LayerNorm()(x_BxW))))
        return x_BxW + self._drop(h_BxW, train)

    def _drop(self, x: jax.Array, train: bool) -> jax.Array:
        return Dropout(self.dropout)(x, train=train)
