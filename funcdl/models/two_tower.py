"""Two towers: one network for people, one for items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.choices import (
    PADDING,
    Candidates,
    add_bias,
    history_of,
    look_up,
    products,
    scored,
    user_of,
)
from funcdl.models.embedding import mean_weights
from funcdl.models.mlp import MLP
from funcdl.models.perceptron import Layers, layers_of, through


class TwoTower(nn.Module):
    """Scores `f(mean of history, person) . g(item) + b_item`, with perceptrons f and g.

    Covington et al., "Deep neural networks for YouTube recommendations" (2016), for the tower of
    people, who are what they chose; Yi et al., "Sampling-bias-corrected neural modeling for large
    corpus item recommendations" (2019), for a tower of items. Histories are read without their
    order, by the vectors from which the items' tower begins. The perceptrons have ReLUs.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        users: how many people there are; filled by the data.
        width: of the vectors, and of the towers' outputs.
        hidden: widths of the hidden layers of each tower.
        dropout: probability of dropping a hidden unit of the people's tower in training.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    users: int
    width: int = 64
    hidden: Sequence[int] = (64,)
    dropout: float = 0.0
    negatives: int = 512

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"history": [batch, time], "user": [batch]}` to scores `[batch, items]`."""
        W = self.width
        users_UxW = self.param("users", initial.embeddings, (self.users, W))
        items_IxW = self.param("items", initial.embeddings, (self.outputs, W))
        bias_I = self.param("bias", nn.initializers.zeros_init(), (self.outputs,))
        history_BxT = history_of(inputs)
        weights_BxT = mean_weights(history_BxT != PADDING, items_IxW.dtype)
        mean_BxW = jnp.sum(look_up(items_IxW, history_BxT) * weights_BxT[..., None], axis=1)
        both_Bx2W = jnp.concatenate([mean_BxW, look_up(users_UxW, user_of(inputs))], axis=-1)
        person = MLP(W, self.hidden, dropout=self.dropout, name="person")
        layers = layers_of(self, "item", (W, *self.hidden, W))
        parts = items_IxW, bias_I, person(both_Bx2W, train=train), layers
        return scored(self, _scores, parts, self.negatives if train else 0)


def _scores(
    table_IxW: jax.Array,
    bias_I: jax.Array,
    person_BxW: jax.Array,
    layers: Layers,
    items: jax.Array | None = None,
) -> jax.Array:
    """Of all items, or of `items` `[m, c]` as in `Candidates`."""
    rows = table_IxW if items is None else look_up(table_IxW, items)
    found = through(jnp.reshape(rows, (-1, rows.shape[-1])), layers)
    tower = jnp.reshape(found, (*rows.shape[:-1], -1))
    return add_bias(products(person_BxW, tower), bias_I, items)
