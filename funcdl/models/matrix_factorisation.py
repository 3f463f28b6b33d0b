"""Matrix factorisation: a vector for each person and each item."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from funcdl.models import initial
from funcdl.models.choices import Candidates, dot_products, look_up, scored, user_of


class MatrixFactorisation(nn.Module):
    """Scores `p_u . q_i + b_i` of item i for person u, whatever was chosen when.

    Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009), without
    the biases of people and of all ratings, which change no one's ranking; and trained to name the
    next item, not to predict stars.

    Attributes:
        outputs: how many items there are, padding included; filled by the task.
        users: how many people there are; filled by the data.
        width: of the vectors.
        negatives: how many random items a training step scores beside the next one; 0: all.
    """

    outputs: int
    users: int
    width: int = 64
    negatives: int = 512

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False) -> jax.Array | Candidates:
        """Maps `{"user": [batch], ...}` to scores `[batch, items]`."""
        users_UxW = self.param("users", initial.embeddings, (self.users, self.width))
        items_IxW = self.param("items", initial.embeddings, (self.outputs, self.width))
        bias_I = self.param("bias", nn.initializers.zeros_init(), (self.outputs,))
        parts = items_IxW, bias_I, look_up(users_UxW, user_of(inputs))
        return scored(self, dot_products, parts, self.negatives if train else 0)
