"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax

from funcdl.models.activation import activate
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_vectors


class MLP(nn.Module):
    """Affine maps with an activation after each but the last: `h <- activation(W h + b)`.

    Attributes:
        outputs: width of the output; filled by the task.
        hidden: widths of the hidden layers.
        activation: what follows each hidden layer.
        dropout: probability of dropping a hidden unit in training (Srivastava et al., 2014).
    """

    outputs: int
    hidden: Sequence[int] = (64, 64)
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to `[batch, outputs]`."""
        h = as_vectors(inputs)
        for width in self.hidden:
            h = dense(width)(h)
            h = activate(self.activation, h)
            h = Dropout(self.dropout)(h, train=train)
        return dense(self.outputs)(h)
