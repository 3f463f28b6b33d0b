"""Multinomial logistic regression (or linear regression, when the task's loss is squared)."""

from __future__ import annotations

import flax.linen as nn
import jax

from funcdl.models.dense import dense
from funcdl.models.inputs import as_vectors


class Logistic(nn.Module):
    """One affine map of the flattened inputs: `W x + b`.

    Attributes:
        outputs: width of the output; filled by the task.
    """

    outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to `[batch, outputs]`; `train` changes nothing."""
        del train
        return dense(self.outputs)(as_vectors(inputs))
