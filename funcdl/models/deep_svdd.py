"""Deep support vector data description: normal examples drawn to one point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models import initial
from funcdl.models.activation import activate
from funcdl.models.inputs import as_vectors
from funcdl.models.product import dot_general

APART = 0.1  # a centre's coordinates are this far from 0 at least, as in the authors' code


class DeepSVDD(nn.Module):
    """A perceptron without biases, whose score is the squared distance of its output to a centre.

    `score(x) = ||phi(x) - c||^2`. The centre is the mean of what the untrained network makes of the first
    training batch, "some training data sample" (section 3.3), and is never trained: it is kept in the
    collection `centre`, and until there has been a batch it is 0. Every way of running a run gives it the
    same first batch, and so the same centre.

    The loss would be least if the network mapped everything to the centre. The paper's propositions say
    what makes that easy, and it is left out here: a centre at 0, which weights of 0 reach (coordinates
    below 0.1 are moved to 0.1 or -0.1); biases, which reach any centre by themselves (there are none);
    activations with a bound other than 0, which make a bias of a feature that keeps its sign (allowed
    are those that grow without bound and fade to 0; "tanh" is not). A feature of the inputs that is
    constant and not 0 acts as a bias, too: leave it out, or standardise. Weight decay
    (`train.weight_decay`) is a part of the original's loss; its pre-training as an autoencoder is not
    done here.

    It scores and does not predict: for the task `anomaly`.

    Source: Ruff et al., "Deep one-class classification" (ICML 2018), eq. 4 and propositions 1 to 3.

    Attributes:
        hidden: widths of the hidden layers.
        bottleneck: width of the output.
        activation: what follows each hidden layer.
    """

    hidden: Sequence[int] = (32,)
    bottleneck: int = 8
    activation: Literal["relu", "gelu", "silu"] = "relu"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to scores `[batch]`, float32 at least."""
        h = as_vectors(inputs)
        for width in self.hidden:
            h = activate(self.activation, _linear(width)(h))
        h = _linear(self.bottleneck)(h)
        # Distances in 8 bits of precision would lose what tells examples apart.
        h = h.astype(jnp.promote_types(h.dtype, jnp.float32))
        return jnp.sum(jnp.square(h - self._centre(h, train)[None]), axis=-1)

    def _centre(self, h: jax.Array, train: bool) -> jax.Array:
        """The centre `[bottleneck]`; found from `h` `[batch, bottleneck]` at the first training step."""
        centre = self.variable("centre", "point", jnp.zeros, (self.bottleneck,), jnp.float32)
        known = self.variable("centre", "known", jnp.zeros, (), jnp.int32)
        if train and not self.is_initializing():
            point = away_from_zero(jnp.mean(jax.lax.stop_gradient(h), axis=0))
            centre.value = jnp.where(known.value > 0, centre.value, point.astype(jnp.float32))
            known.value = jnp.ones_like(known.value)
        return centre.value.astype(h.dtype)


def away_from_zero(point: jax.Array) -> jax.Array:
    """Coordinates within 0.1 of 0 moved there, to the side on which they are.

    >>> away_from_zero(jnp.array([-0.01, 0.0, 0.5])).round(1).tolist()
    [-0.10000000149011612, 0.10000000149011612, 0.5]
    """
    sign = jnp.where(point < 0, -1.0, 1.0)
    return jnp.asarray(sign * jnp.maximum(jnp.abs(point), APART), point.dtype)


def _linear(width: int) -> nn.Dense:
    """A linear map, with funcdl's initial weights and products."""
    return nn.Dense(width, use_bias=False, kernel_init=initial.weights, dot_general=dot_general)
