"""SASRec: self-attention over what a person chose, in order."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from funcdl.models import initial
from funcdl.models.attention import Block, causal, present
from funcdl.models.choices import PADDING, Candidates, dot_products, history_of, look_up, scored
from funcdl.models.dropout import Dropout


class SASRec(nn.Module):
    """Scores `h . v_i + b_i`, where h is a transformer's output at the latest item of a history.

    Kang and McAuley, "Self-attentive sequential recommendation" (ICDM 2018): items and learned
    positions, causal attention, and the items' vectors once more as the last layer. Different here:
    an item has a bias; the MLPs have GELUs and a hidden width of `expansion` times `width`; and an
    example teaches its last position alone, since every position of a history is the last one of an
    example of its own. Padding is read by nobody.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        width: of the vectors.
        depth: number of blocks.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs, in multiples of `width`.
        dropout: probability of dropping, in training, an entry of an item's vector or of a sublayer's
            output.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    width: int = 32
    depth: int = 2
    heads: int = 2
    expansion: int = 2
    dropout: float = 0.0
    negatives: int = 0

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"history": [batch, time], ...}` to scores `[batch, items]`."""
        history_BxT = history_of(inputs)
        T = history_BxT.shape[1]
        items_IxW = self.param("items", initial.embeddings, (self.outputs, self.width))
        bias_I = self.param("bias", nn.initializers.zeros_init(), (self.outputs,))
        x_BxTxW = look_up(items_IxW, history_BxT)
        x_BxTxW += self.param("positions", initial.positions, (1, T, self.width))
        x_BxTxW = Dropout(self.dropout)(x_BxTxW, train=train)
        mask = causal(T) & present(history_BxT != PADDING)
        for _ in range(self.depth):
            block = Block(self.width, self.heads, self.expansion, self.dropout)
            x_BxTxW = block(x_BxTxW, mask, train=train)
        parts = items_IxW, bias_I, nn.LayerNorm()(x_BxTxW[:, -1])
        return scored(self, dot_products, parts, self.negatives if train else 0)
