"""Neural collaborative filtering: a network instead of the dot product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models import initial
from funcdl.models.choices import Candidates, add_bias, look_up, products, scored, user_of
from funcdl.models.perceptron import Layers, layers_of, through
from funcdl.models.product import matmul


class NCF(nn.Module):
    """NeuMF: a weighted product of vectors, and a perceptron that reads two others, added up.

    `score(u, i) = w . (p_u * q_i) + MLP([p'_u, q'_i]) + b_i`, with ReLUs and one output. The first
    layer of the perceptron is the sum of a person's part and an item's part, each computed once; what
    is behind it takes `batch x items x hidden` numbers, which is why training scores some items only.

    He et al., "Neural collaborative filtering" (WWW 2017), section 3.4, with a bias for each item; it
    is trained to name the next item among those scored rather than to tell one from four others.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        users: how many people there are; filled by the data.
        width: of each of the four vectors.
        hidden: widths of the perceptron's hidden layers, one at least.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    users: int
    width: int = 32
    hidden: Sequence[int] = (32, 16)
    negatives: int = 128

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"user": [batch], ...}` to scores `[batch, items]`."""
        if not self.hidden:
            raise ValueError("hidden: [] given; NCF needs a layer, or else is matrix_factorisation")
        W, user_B = self.width, user_of(inputs)
        p_BxW, read_BxW = (
            look_up(self.param(name, initial.embeddings, (self.users, W)), user_B)
            for name in ("users_product", "users_network")
        )
        q_IxW, read_IxW = (
            self.param(name, initial.embeddings, (self.outputs, W))
            for name in ("items_product", "items_network")
        )
        weights_W = self.param("weights", nn.initializers.ones_init(), (W,))
        bias_I = self.param("bias", nn.initializers.zeros_init(), (self.outputs,))
        (first_2WxH, first_bias_H), *rest = layers_of(self, "layer", (2 * W, *self.hidden, 1))
        user_BxH = matmul(read_BxW, first_2WxH[:W]) + first_bias_H[None]
        user, item = (p_BxW * weights_W[None], user_BxH), (q_IxW, read_IxW, bias_I)
        parts = item, user, first_2WxH[W:], tuple(rest)
        return scored(self, _scores, parts, self.negatives if train else 0)


def _scores(
    item: tuple[jax.Array, jax.Array, jax.Array],
    user: tuple[jax.Array, jax.Array],
    first_WxH: jax.Array,
    rest: Layers,
    items: jax.Array | None = None,
) -> jax.Array:
    """Of all items, or of `items` `[m, c]` as in `Candidates`."""
    (q_IxW, read_IxW, bias_I), (p_BxW, user_BxH) = item, user
    if items is None:
        item_IxH = matmul(read_IxW, first_WxH)

        def of_person(user_H: jax.Array) -> jax.Array:
            return through(nn.relu(user_H[None] + item_IxH), rest)[:, 0]

        # One person at a time: [batch, items, hidden] would not fit into any cache.
        return add_bias(products(p_BxW, q_IxW) + lax.map(of_person, user_BxH), bias_I, None)
    read_NxW = jnp.reshape(look_up(read_IxW, items), (-1, read_IxW.shape[-1]))
    item_MxCxH = jnp.reshape(matmul(read_NxW, first_WxH), (*items.shape, -1))
    h_BxCxH = nn.relu(user_BxH[:, None] + item_MxCxH)
    network_NxO = through(jnp.reshape(h_BxCxH, (-1, h_BxCxH.shape[-1])), rest)
    network_BxC = jnp.reshape(network_NxO, h_BxCxH.shape[:2])
    return add_bias(products(p_BxW, look_up(q_IxW, items)) + network_BxC, bias_I, items)
