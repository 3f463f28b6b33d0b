"""Two towers: one network for people, one for items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.choices import (
    PADDING,
    Candidates,
    dot_products,
    history_of,
    look_up,
    scored,
    user_of,
)
from funcdl.models.embedding import mean_weights
from funcdl.models.mlp import MLP


class TwoTower(nn.Module):
    """Scores `f(mean of history, person) . g(item) + b_item`, with perceptrons f and g.

    Covington et al., "Deep neural networks for YouTube recommendations" (2016), for the tower of
    people, who are what they chose; Yi et al., "Sampling-bias-corrected neural modeling for large
    corpus item recommendations" (2019), for a tower of items. Histories are read without their
    order, by the vectors from which the items' tower begins.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        users: how many people there are; filled by the data.
        width: of the vectors, and of the towers' outputs.
        hidden: widths of the hidden layers of each tower.
        activation: what follows each hidden layer.
        dropout: probability of dropping a hidden unit in training.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    users: int
    width: int = 32
    hidden: Sequence[int] = (64,)
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    dropout: float = 0.0
    negatives: int = 0

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"history": [batch, time], "user": [batch]}` to scores `[batch, items]`."""
        users_UxW = self.param("users", initial.embeddings, (self.users, self.width))
        items_IxW = self.param("items", initial.embeddings, (self.outputs, self.width))
        bias_I = self.param("bias", nn.initializers.zeros_init(), (self.outputs,))
        history_BxT = history_of(inputs)
        weights_BxT = mean_weights(history_BxT != PADDING, items_IxW.dtype)
        mean_BxW = jnp.sum(look_up(items_IxW, history_BxT) * weights_BxT[..., None], axis=1)
        person_BxW = look_up(users_UxW, user_of(inputs))
        tower = {"activation": self.activation, "dropout": self.dropout}
        of_user = MLP(self.width, self.hidden, **tower, name="user")
        of_item = MLP(self.width, self.hidden, **tower, name="item")
        user_BxW = of_user(jnp.concatenate([mean_BxW, person_BxW], axis=-1), train=train)
        parts = of_item(items_IxW, train=train), bias_I, user_BxW
        return scored(self, dot_products, parts, self.negatives if train else 0)
