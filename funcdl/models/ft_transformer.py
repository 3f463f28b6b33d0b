"""The transformer over the columns of a table."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.attention import attend
from funcdl.models.dense import dense
from funcdl.models.dropout import Dropout
from funcdl.models.initial import columns
from funcdl.models.inputs import as_vectors


class FTTransformer(nn.Module):
    """The FT-Transformer of Gorishniy et al. (2021), section 3.3: each column of a table is a token.

    Column j of value `x_j` is the token `x_j w_j + b_j`, with vectors of its own; in front of them
    stands one that is learned, and that gathers what is said about the row. Layers are
    `x <- x + drop(attention(norm(x)))`, `x <- x + drop(mlp(norm(x)))`; the output is
    `W relu(norm(x))` of the gathering token. As in the paper the first attention reads tokens as
    they are, without a norm; the MLPs are gated, `W2 drop(a * relu(g))` with `(a, g) = W1 x`; and in
    the last layer the gathering token alone reads, since nothing else is looked at. Weights of
    attention are not dropped.

    Inputs of other shapes than `[batch, columns]` are read as vectors. A column of text that
    `funcdl.data.files.table` has laid out as one input per category is as many tokens: a category's
    token is `w_j + b_j` where the row has it, and `b_j` where it has not. With many categories that
    is slow, as attention takes time in proportion to the square of the columns.

    Attributes:
        outputs: width of the output; filled by the task.
        width: width of a token.
        depth: number of layers.
        heads: attention heads; divides `width`.
        expansion: hidden width of the MLPs behind their gate, in multiples of `width`.
        dropout: probability of dropping a hidden unit of an MLP in training.
        residual_dropout: probability of dropping a coordinate of what a sublayer adds.
    """

    outputs: int
    width: int = 32
    depth: int = 2
    heads: int = 2
    expansion: int = 2
    dropout: float = 0.0
    residual_dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to `[batch, outputs]`."""
        if self.width % self.heads:
            raise ValueError(
                f"heads: {self.heads} does not divide width: {self.width}; choose a divisor"
            )
        x_BxTxW = self._tokens(as_vectors(inputs))
        for layer in range(self.depth):
            read_BxTxW = nn.LayerNorm()(x_BxTxW) if layer else x_BxTxW
            readers = 1 if layer == self.depth - 1 else x_BxTxW.shape[1]
            x_BxTxW = x_BxTxW[:, :readers]  # the gathering token comes first
            x_BxTxW += self._drop(self._attention(read_BxTxW, readers), train)
            x_BxTxW += self._drop(self._mlp(nn.LayerNorm()(x_BxTxW), train), train)
        return dense(self.outputs)(nn.relu(nn.LayerNorm()(x_BxTxW[:, 0])))

    def _tokens(self, x_BxF: jax.Array) -> jax.Array:
        """The gathering token, and one per column: `[batch, 1 + columns, width]`."""
        (B, F), W = x_BxF.shape, self.width
        w_1xFxW = self.param("weight", columns, (1, F, W))
        b_1xFxW = self.param("bias", columns, (1, F, W))
        gathering_1x1xW = self.param("gathering", columns, (1, 1, W))
        tokens_BxFxW = x_BxF[:, :, None] * w_1xFxW + b_1xFxW
        first_Bx1xW = jnp.broadcast_to(gathering_1x1xW, (B, 1, W)).astype(tokens_BxFxW.dtype)
        return jnp.concatenate([first_Bx1xW, tokens_BxFxW], axis=1)

    def _attention(self, x_BxTxW: jax.Array, readers: int) -> jax.Array:
        """The first `readers` tokens read all tokens: `[batch, readers, width]`."""
        W, H, D = self.width, self.heads, self.width // self.heads
        q_BxRxHxD = jnp.reshape(dense(W)(x_BxTxW[:, :readers]), (-1, readers, H, D))
        kv_BxTx2xHxD = jnp.reshape(dense(2 * W)(x_BxTxW), (-1, x_BxTxW.shape[1], 2, H, D))
        k_BxHxTxD, v_BxHxTxD = jnp.transpose(kv_BxTx2xHxD, (2, 0, 3, 1, 4))
        out_BxHxRxD = attend(jnp.swapaxes(q_BxRxHxD, 1, 2), k_BxHxTxD, v_BxHxTxD)
        return dense(W)(jnp.reshape(jnp.swapaxes(out_BxHxRxD, 1, 2), (-1, readers, W)))

    def _mlp(self, x_BxTxW: jax.Array, train: bool) -> jax.Array:
        """Each token by itself; half of the hidden units are gates for the others (ReGLU)."""
        hidden = self.expansion * self.width
        a, g = jnp.split(dense(2 * hidden)(x_BxTxW), 2, axis=-1)
        return dense(self.width)(Dropout(self.dropout)(a * nn.relu(g), train=train))

    def _drop(self, x: jax.Array, train: bool) -> jax.Array:
        return Dropout(self.residual_dropout)(x, train=train)
