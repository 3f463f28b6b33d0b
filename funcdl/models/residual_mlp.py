"""The residual network for tables."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax

from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_vectors


class ResidualMLP(nn.Module):
    """The ResNet for tables of Gorishniy et al. (2021), section 3.2.

    An affine map to `width`, then blocks `h <- h + drop(W2 drop(relu(W1 norm(h))))`, and last
    `W relu(norm(h))`. What a block adds is not normed again, so that there is a path without any
    nonlinearity from the inputs to the last norm.

    Attributes:
        outputs: width of the output; filled by the task.
        width: width of the residual stream.
        depth: number of blocks.
        expansion: hidden width of a block, in multiples of `width`.
        norm: "batch", the paper's, keeps running statistics, in the collection `batch_stats`, and
            makes the examples of a training batch depend on one another; "layer" does neither.
        dropout: probability of dropping a hidden unit of a block in training.
        residual_dropout: probability of dropping a coordinate of what a block adds.
    """

    outputs: int
    width: int = 64
    depth: int = 2
    expansion: int = 2
    norm: Literal["batch", "layer"] = "batch"
    dropout: float = 0.0
    residual_dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to `[batch, outputs]`."""
        h = dense(self.width)(as_vectors(inputs))
        for _ in range(self.depth):
            h += self._block(h, train)
        return dense(self.outputs)(nn.relu(self._normalise(h, train)))

    def _block(self, h: jax.Array, train: bool) -> jax.Array:
        """What is added: `[batch, width]`."""
        h = nn.relu(dense(self.expansion * self.width)(self._normalise(h, train)))
        h = dense(self.width)(Dropout(self.dropout)(h, train=train))
        return Dropout(self.residual_dropout)(h, train=train)

    def _normalise(self, h: jax.Array, train: bool) -> jax.Array:
        if self.norm == "batch":
            return nn.BatchNorm(use_running_average=not train, momentum=0.9)(h)
        return nn.LayerNorm()(h)
