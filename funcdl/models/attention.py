"""The pre-norm transformer block, and the masks that say who may read whom."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.product import inner, matmul


class Block(nn.Module):
    """Self-attention and an MLP, each added to what it reads.

    Vaswani et al. (2017), with the norm before each sublayer (Xiong et al., 2020):
    `x <- x + attention(norm(x))`, `x <- x + mlp(norm(x))`. What the last block returns wants a norm.

    Attributes:
        width: width of the residual stream.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLP, in multiples of `width`.
        dropout: probability of dropping an output of a sublayer in training.
    """

    width: int
    heads: int
    expansion: int = 4
    dropout: Any = 0.0

    @nn.compact
    def __call__(
        self, x_BxTxW: jax.Array, mask: jax.Array | None = None, *, train: bool = False
    ) -> jax.Array:
        """Maps `[batch, time, width]` to the same shape.

        Args:
            x_BxTxW: the residual stream.
            mask: of bool, broadcast to `[batch, heads, reader, read]`: who may read whom; such as
                `causal(time)`, `present(there)`, or both with `&`. None: all read all. A position
                that may read none reads all alike: its outputs are finite, and mean nothing.
            train: whether to drop anything.
        """
        if self.width % self.heads:
            raise ValueError(
                f"heads: {self.heads} does not divide width: {self.width}; choose a divisor"
            )
        # All but attention works on positions by themselves. As rows of a matrix, N = B x T, their
        # products need no copies on a CPU, and their norms are faster, too.
        x_NxW = jnp.reshape(x_BxTxW, (-1, self.width))
        read_NxW = self._attention(nn.LayerNorm()(x_NxW), x_BxTxW.shape[1], mask)
        x_NxW += Dropout(self.dropout)(read_NxW, train=train)
        x_NxW += Dropout(self.dropout)(self._mlp(nn.LayerNorm()(x_NxW)), train=train)
        return jnp.reshape(x_NxW, x_BxTxW.shape)

    def _attention(self, x_NxW: jax.Array, T: int, mask: jax.Array | None) -> jax.Array:
        """Each position reads those it may: `softmax(q k / sqrt(D)) v` in each head."""
        W, H, D = self.width, self.heads, self.width // self.heads
        qkv_BxTx3xHxD = jnp.reshape(dense(3 * W)(x_NxW), (-1, T, 3, H, D))
        q_BxHxTxD, k_BxHxTxD, v_BxHxTxD = jnp.transpose(qkv_BxTx3xHxD, (2, 0, 3, 1, 4))
        out_BxTxHxD = jnp.swapaxes(attend(q_BxHxTxD, k_BxHxTxD, v_BxHxTxD, mask), 1, 2)
        return dense(W)(jnp.reshape(out_BxTxHxD, x_NxW.shape))

    def _mlp(self, x_NxW: jax.Array) -> jax.Array:
        """Each position by itself."""
        return dense(self.width)(nn.gelu(dense(self.expansion * self.width)(x_NxW)))


def attend(
    q_BxHxRxD: jax.Array, k_BxHxTxD: jax.Array, v_BxHxTxD: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Scaled dot-product attention of R readers to T positions: `softmax(q k^T / sqrt(D)) v`.

    Args:
        q_BxHxRxD: what each reader looks for.
        k_BxHxTxD: what each position is found by.
        v_BxHxTxD: what it says.
        mask: of bool, broadcast to `[batch, heads, readers, time]`; see `Block`.

    Returns:
        `[batch, heads, readers, D]`.
    """
    att_BxHxRxT = inner(q_BxHxRxD, k_BxHxTxD) * q_BxHxRxD.shape[-1] ** -0.5
    if mask is not None:
        lowest = jnp.full_like(att_BxHxRxT, jnp.finfo(att_BxHxRxT.dtype).min)
        att_BxHxRxT = jnp.where(jnp.broadcast_to(mask, att_BxHxRxT.shape), att_BxHxRxT, lowest)
    return matmul(jax.nn.softmax(att_BxHxRxT, axis=-1), v_BxHxTxD)


def causal(time: int) -> jax.Array:
    """The mask under which each position reads itself and those before it, `[1, 1, time, time]`.

    >>> causal(3)[0, 0].astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    return jnp.tril(jnp.ones((time, time), bool))[None, None]


def present(there: jax.Array) -> jax.Array:
    """The mask under which no position reads padding, `[batch, 1, 1, time]`.

    Args:
        there: bool `[batch, time]`, true where there is something to read.

    >>> present(jnp.array([[True, True, False]])).shape
    (1, 1, 1, 3)
    """
    return there[:, None, None, :]
