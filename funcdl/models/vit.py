"""A vision transformer for small images."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.attention import Block
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_images


class ViT(nn.Module):
    """The vision transformer of Dosovitskiy et al. (2021): an image as a sequence of its patches.

    Each patch is a token by one affine map, learned positions are added, and blocks with full
    attention (`funcdl.models.attention.Block`) follow. Edges that a patch does not fit are filled up
    with zeros, on the right and below.

    Attributes:
        outputs: width of the output; filled by the task.
        patch: height and width of a patch in pixels.
        width: width of the residual stream.
        depth: number of blocks.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs, in multiples of `width`.
        pool: what is read out: the mean over the patches (Zhai et al., 2022), or a token of its own,
            "class", that reads them (their section 3.1).
        dropout: probability of dropping an output of a sublayer, or a patch's token, in training.
    """

    outputs: int
    patch: int = 4
    width: int = 64
    depth: int = 2
    heads: int = 4
    expansion: int = 4
    pool: Literal["mean", "class"] = "mean"
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, height, width, channels]` to `[batch, outputs]`."""
        x_BxTxW = dense(self.width)(patches(as_images(inputs), self.patch))
        if self.pool == "class":
            token = self.param("class", initial.positions, (1, 1, self.width))
            token = jnp.broadcast_to(token.astype(x_BxTxW.dtype), (len(inputs), 1, self.width))
            x_BxTxW = jnp.concatenate([token, x_BxTxW], axis=1)
        x_BxTxW += self.param("positions", initial.positions, (1, *x_BxTxW.shape[1:]))
        x_BxTxW = Dropout(self.dropout)(x_BxTxW, train=train)
        for _ in range(self.depth):
            block = Block(self.width, self.heads, self.expansion, self.dropout)
            x_BxTxW = block(x_BxTxW, train=train)
        if self.pool == "class":
            return dense(self.outputs)(nn.LayerNorm()(x_BxTxW[:, 0]))
        return dense(self.outputs)(jnp.mean(nn.LayerNorm()(x_BxTxW), axis=1))


def patches(images: jax.Array, size: int) -> jax.Array:
    """Images cut into squares, row by row, each as one vector.

    Args:
        images: `[batch, height, width, channels]`.
        size: height and width of a square.

    Returns:
        `[batch, squares, size x size x channels]`.

    >>> patches(jnp.zeros((2, 28, 28, 3)), 8).shape
    (2, 16, 192)
    """
    batch, height, width, channels = images.shape
    rows, columns = -(-height // size), -(-width // size)
    missing = [(0, 0), (0, rows * size - height), (0, columns * size - width), (0, 0)]
    images = jnp.pad(images, missing)
    cut = jnp.reshape(images, (batch, rows, size, columns, size, channels))
    return jnp.reshape(jnp.swapaxes(cut, 2, 3), (batch, rows * columns, size * size * channels))
