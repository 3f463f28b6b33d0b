"""A temporal convolutional network, read out at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.instance import read_normalised


class TCN(nn.Module):
    """Residual blocks of dilated causal convolutions (Bai, Kolter and Koltun, 2018).

    Block i has two convolutions of dilation `2^i`, each followed by ReLU and dropout, and adds what it
    reads, through an affine map where the widths differ: `relu(x + f(x))`. The last moment's features
    are read out. It looks back over `1 + 2 (kernel - 1) (2^blocks - 1)` steps.

    Only what the last moment depends on is computed. It reads the last block at moments that are a
    multiple of the dilation away from it, and those of the block before likewise, so that each block
    sees its inputs at every `2^i`-th moment, where a convolution of dilation `2^i` is a plain one: half the
    work from block to block, and the same numbers. Weights are not normalised.

    Attributes:
        outputs: width of the output; filled by the task.
        channels: features of each block.
        kernel: moments that a convolution reads.
        dropout: probability of dropping a feature in training.
        normalise: divide the window by its own deviation ("scale"), or also take out its mean ("level"),
            and undo it in the outputs; see `funcdl.models.instance`.
    """

    outputs: int
    channels: Sequence[int] = (32, 32, 32, 32)
    kernel: int = 3
    dropout: float = 0.0
    normalise: Literal["none", "scale", "level"] = "none"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, time, features]`, or images read as rows, to `[batch, outputs]`."""
        x_BxTxF, back = read_normalised(inputs, self.normalise)
        for i, width in enumerate(self.channels):
            last = i + 1 == len(self.channels)
            keep = (
                1 if last else -(-x_BxTxF.shape[1] // 2)
            )  # every second moment, or the last alone
            x_BxTxF = _Block(width, self.kernel, keep, self.dropout)(x_BxTxF, train=train)
        return back(dense(self.outputs)(x_BxTxF[:, -1]))


class _Block(nn.Module):
    """Two causal convolutions and what they read, at every second moment counted from the last.

    Attributes:
        width: features of the output.
        kernel: moments that a convolution reads.
        keep: how many moments of the output are wanted.
        dropout: probability of dropping a feature in training.
    """

    width: int
    kernel: int
    keep: int
    dropout: Any

    @nn.compact
    def __call__(self, x_BxTxF: jax.Array, *, train: bool) -> jax.Array:
        """Maps `[batch, time, features]` to `[batch, keep, width]`."""
        h = _before(x_BxTxF, self.kernel, 1, x_BxTxF.shape[1])
        h = Dropout(self.dropout)(nn.relu(dense(self.width)(h)), train=train)
        h = _before(h, self.kernel, 2, self.keep)
        h = Dropout(self.dropout)(nn.relu(dense(self.width)(h)), train=train)
        own = _every(x_BxTxF, 2, self.keep)
        if own.shape[-1] != self.width:
            own = dense(self.width)(own)
        return nn.relu(own + h)


def _before(x_BxTxF: jax.Array, kernel: int, step: int, keep: int) -> jax.Array:
    """Each wanted moment with the `kernel - 1` before it, oldest first: `[batch, keep, kernel * F]`.

    Before the beginning there are zeros.
    """
    padded = jnp.pad(x_BxTxF, ((0, 0), (kernel - 1, 0), (0, 0)))
    time = x_BxTxF.shape[1]
    parts = [_every(padded[:, tap : tap + time], step, keep) for tap in range(kernel)]
    return jnp.concatenate(parts, axis=-1)


def _every(x_BxTxF: jax.Array, step: int, keep: int) -> jax.Array:
    """The last `keep` of every `step`-th moment, counted from the last."""
    time = x_BxTxF.shape[1]
    return x_BxTxF[:, time - 1 - step * (keep - 1) :: step]
