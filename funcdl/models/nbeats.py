"""N-BEATS: blocks that each explain a part of the past and of the future."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_vectors
from funcdl.models.instance import read_normalised


class NBeats(nn.Module):
    """Doubly residual blocks with a learned basis, N-BEATS-G (Oreshkin et al., ICLR 2020).

    A block is a multilayer perceptron with two linear outputs, both of the same hidden units: the
    part of the window that it explains, which is subtracted before the next block reads it, and its part
    of the forecast; forecasts add up. The last block's share of the window would be read by none, and is
    not computed.

    Attributes:
        outputs: width of the output; filled by the task.
        blocks: how many there are.
        layers: hidden layers of each block.
        width: of the hidden layers.
        dropout: probability of dropping a hidden unit in training.
        normalise: divide the window by its own deviation ("scale"), or also take out its mean ("level"),
            and undo it in the outputs; see `funcdl.models.instance`.
    """

    outputs: int
    blocks: int = 3
    layers: int = 2
    width: int = 64
    dropout: float = 0.0
    normalise: Literal["none", "scale", "level"] = "none"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, time, features]` to `[batch, outputs]`."""
        x_BxTxF, back = read_normalised(inputs, self.normalise)
        rest_BxN = as_vectors(x_BxTxF)
        total_BxO = jnp.zeros((len(rest_BxN), self.outputs), rest_BxN.dtype)
        for block in range(self.blocks):
            h_BxW = rest_BxN
            for _ in range(self.layers):
                h_BxW = Dropout(self.dropout)(nn.relu(dense(self.width)(h_BxW)), train=train)
            total_BxO += dense(self.outputs)(h_BxW)
            if block + 1 < self.blocks:
                rest_BxN -= dense(rest_BxN.shape[1])(h_BxW)
        return back(total_BxO)
