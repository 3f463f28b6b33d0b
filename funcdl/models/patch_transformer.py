"""A transformer whose tokens are patches of a series."""

from __future__ import annotations

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.attention import Block
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.inputs import as_vectors
from funcdl.models.instance import read_normalised


class PatchTransformer(nn.Module):
    """PatchTST (Nie et al., ICLR 2023): patches, a transformer encoder, and one affine map of all tokens.

    A patch is `patch` consecutive steps, and begins `stride` steps after the one before; patches are
    counted from the end, and steps at the beginning that fill no patch are left out. Patches are
    embedded by an affine map, with learned positions. Features of one moment are read together (the source
    reads each channel by itself), and norms are over features, before each sublayer (the source has batch
    norms, after).

    Attributes:
        outputs: width of the output; filled by the task.
        patch: steps of a patch; at most the window.
        stride: steps from one patch to the next.
        width: width of the residual stream.
        depth: number of layers.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs, in multiples of `width`.
        dropout: probability of dropping an output of a sublayer, and an input of the last layer, in
            training.
        normalise: divide the window by its own deviation ("scale"), or also take out its mean ("level"), as
            the source does, and undo it in the outputs; see `funcdl.models.instance`.
    """

    outputs: int
    patch: int = 8
    stride: int = 4
    width: int = 32
    depth: int = 2
    heads: int = 4
    expansion: int = 2
    dropout: float = 0.0
    normalise: Literal["none", "scale", "level"] = "none"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, time, features]` to `[batch, outputs]`."""
        x_BxTxF, back = read_normalised(inputs, self.normalise)
        x_BxPxW = dense(self.width)(patches(x_BxTxF, self.patch, self.stride))
        x_BxPxW += self.param("positions", initial.positions, (1, *x_BxPxW.shape[1:]))
        for _ in range(self.depth):
            x_BxPxW = Block(self.width, self.heads, self.expansion, self.dropout)(
                x_BxPxW, train=train
            )
        h_BxN = as_vectors(nn.LayerNorm()(x_BxPxW))
        return back(dense(self.outputs)(Dropout(self.dropout)(h_BxN, train=train)))


def patches(x_BxTxF: jax.Array, patch: int, stride: int) -> jax.Array:
    """Stretches of a series, the last one at its end: `[batch, time, F] -> [batch, P, patch * F]`.

    Raises:
        ValueError: if no patch fits.

    >>> patches(jnp.arange(7.0).reshape(1, 7, 1), patch=3, stride=2)[0].tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]]
    """
    time = x_BxTxF.shape[1]
    if not 1 <= patch <= time or stride < 1:
        raise ValueError(
            f"patch: {patch} and stride: {stride} do not fit a window of {time} steps; allowed are patches "
            "from 1 step to the window, and strides from 1"
        )
    starts = range((time - patch) % stride, time - patch + 1, stride)
    parts = [as_vectors(x_BxTxF[:, start : start + patch]) for start in starts]
    return jnp.stack(parts, axis=1)
