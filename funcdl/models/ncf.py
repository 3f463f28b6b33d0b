"""Neural collaborative filtering: a network instead of the dot product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models import initial
from funcdl.models.choices import Candidates, look_up, scored, user_of
from funcdl.models.product import inner, matmul


class NCF(nn.Module):
    """NeuMF: a weighted product of vectors, and a perceptron that reads two others, added up.

    `score(u, i) = w . (p_u * q_i) + w' . MLP([p'_u, q'_i]) + b_i`, with ReLUs. The first layer of the
    perceptron is the sum of a person's part and an item's part, each computed once; what is behind it
    takes `batch x items x hidden` numbers, which is why training scores some items only.

    He et al., "Neural collaborative filtering" (WWW 2017), section 3.4, with a bias for each item; it
    is trained to name the next item among those scored rather than to tell one from four others.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        users: how many people there are; filled by the data.
        width: of each of the four vectors.
        hidden: widths of the perceptron's layers, one at least.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    users: int
    width: int = 32
    hidden: Sequence[int] = (32, 16)
    negatives: int = 256

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"user": [batch], ...}` to scores `[batch, items]`."""
        if not self.hidden:
            raise ValueError("hidden: [] given; NCF needs a layer, or else is matrix_factorisation")
        W, zeros = self.width, nn.initializers.zeros_init()
        user_B = user_of(inputs)
        p_BxW, read_BxW = (
            look_up(self.param(name, initial.embeddings, (self.users, W)), user_B)
            for name in ("users_product", "users_network")
        )
        tables = tuple(
            self.param(name, initial.embeddings, (self.outputs, W))
            for name in ("items_product", "items_network")
        )
        first_2WxH = self.param("first", initial.weights, (2 * W, self.hidden[0]))
        first_bias_H = self.param("first_bias", zeros, (self.hidden[0],))
        layers = tuple(
            (
                self.param(f"layer_{n}", initial.weights, (before, after)),
                self.param(f"layer_{n}_bias", zeros, (after,)),
            )
            for n, (before, after) in enumerate(
                zip(self.hidden, (*self.hidden[1:], 1), strict=True), 1
            )
        )
        weights_W = self.param("product", nn.initializers.ones_init(), (W,))
        bias_I = self.param("bias", zeros, (self.outputs,))
        user_part_BxH = matmul(read_BxW, first_2WxH[:W]) + first_bias_H[None]
        parts = (
            (*tables, bias_I),
            p_BxW * weights_W[None],
            user_part_BxH,
            first_2WxH[W:],
            layers,
        )
        return scored(self, _scores, parts, self.negatives if train else 0)


def _scores(
    tables: tuple[jax.Array, jax.Array, jax.Array],
    p_BxW: jax.Array,
    user_part_BxH: jax.Array,
    first_WxH: jax.Array,
    layers: Any,
    items: jax.Array | None = None,
) -> jax.Array:
    """Of all items, or of `items` `[m, c]` as in `Candidates`."""
    q_IxW, read_IxW, bias_I = tables
    if items is None:
        item_part_IxH = matmul(read_IxW, first_WxH)
        # One person at a time: [batch, items, hidden] would not fit into any cache.
        network_BxI = lax.map(
            lambda part_H: _deep(part_H[None] + item_part_IxH, layers), user_part_BxH
        )
        return inner(p_BxW, q_IxW) + network_BxI + bias_I[None]
    q_MxCxW, read_MxCxW = look_up(q_IxW, items), look_up(read_IxW, items)
    read_NxW = jnp.reshape(read_MxCxW, (-1, read_MxCxW.shape[-1]))
    item_part_MxCxH = jnp.reshape(matmul(read_NxW, first_WxH), (*items.shape, -1))
    h_BxCxH = user_part_BxH[:, None] + item_part_MxCxH
    h_NxH = jnp.reshape(h_BxCxH, (-1, h_BxCxH.shape[-1]))
    network_BxC = jnp.reshape(_deep(h_NxH, layers), h_BxCxH.shape[:2])
    if items.shape[0] == 1:
        product_BxC = inner(p_BxW, q_MxCxW[0])
    else:
        product_BxC = jnp.sum(p_BxW[:, None] * q_MxCxW, axis=-1)
    return product_BxC + network_BxC + look_up(bias_I, items)


def _deep(h_NxH: jax.Array, layers: Any) -> jax.Array:
    """What follows the first affine map: `[n, hidden] -> [n]`."""
    for kernel, bias in layers:
        h_NxH = matmul(nn.relu(h_NxH), kernel) + bias[None]
    return h_NxH[:, 0]
