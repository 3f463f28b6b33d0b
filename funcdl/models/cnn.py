"""A small convolutional network for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax

from funcdl.models.activation import activate
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_images
from funcdl.models.pooling import avg_pool, max_pool
from funcdl.models.turned import Conv, turned, turned_as_vectors


class CNN(nn.Module):
    """Stages of convolution, 2x2 pooling and activation, then one affine map (LeCun et al., 1998).

    Pooling comes before the activation. With max-pooling and an increasing activation the values
    are those of the usual order, at a quarter of the cost, and without ties among ReLU's zeros.
    An axis that is down to one pixel is not pooled.

    Attributes:
        outputs: width of the output; filled by the task.
        channels: channels of the stages; each stage halves height and width.
        kernel: height and width of the convolutions, whose padding keeps the image's size.
        pool: what is kept of each 2x2 window.
        activation: what ends each stage.
        dropout: probability of dropping an input of the last layer in training.
    """

    outputs: int
    channels: Sequence[int] = (16, 32)
    kernel: int = 3
    pool: Literal["max", "average"] = "max"
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, height, width, channels]` to `[batch, outputs]`."""
        pool = {"max": max_pool, "average": avg_pool}[self.pool]
        h = turned(as_images(inputs))
        for width in self.channels:
            h = Conv(width, (self.kernel, self.kernel))(h)
            h = pool(h, (min(2, h.shape[1]), min(2, h.shape[2])))
            h = activate(self.activation, h)
        h = Dropout(self.dropout)(turned_as_vectors(h), train=train)
        return dense(self.outputs)(h)
