"""The autoencoder, whose score is how badly it gives an input back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.inputs import as_vectors
from funcdl.models.mlp import MLP


class Autoencoder(nn.Module):
    """An input through a narrow layer and back; the score is its mean squared error.

    `score(x) = mean_j (x_j - g(f(x'))_j)^2`, where the encoder f and the decoder g are perceptrons whose
    hidden layers mirror each other, and `x' = x + noise N(0, I)` in training and x otherwise. Trained on
    normal examples alone it learns to give these back, and what it cannot give back is strange. It
    scores and does not predict: for the task `anomaly`.

    Source: Hawkins et al., "Outlier detection using replicator neural networks" (DaWaK 2002); Vincent et
    al., "Extracting and composing robust features with denoising autoencoders" (ICML 2008), for the noise.

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder's are the same, backwards.
        bottleneck: width of the layer in the middle, which has no activation.
        activation: what follows each hidden layer.
        noise: standard deviation of what is added to inputs in training, in their unit.
    """

    hidden: Sequence[int] = (32,)
    bottleneck: int = 4
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    noise: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to scores `[batch]`, float32 at least."""
        x = as_vectors(inputs)
        seen = self._spoilt(x) if train else x
        code = MLP(self.bottleneck, self.hidden, self.activation, name="encoder")(seen)
        back = MLP(x.shape[-1], self.hidden[::-1], self.activation, name="decoder")(code)
        # A mean of squares in 8 bits of precision would lose what tells examples apart.
        wide = jnp.promote_types(x.dtype, jnp.float32)
        return jnp.mean(jnp.square(x.astype(wide) - back.astype(wide)), axis=-1)

    def _spoilt(self, x: jax.Array) -> jax.Array:
        """With noise from the "dropout" stream; a deviation that is the Python number 0 costs nothing."""
        if isinstance(self.noise, int | float) and self.noise == 0:
            return x
        drawn = jax.random.normal(self.make_rng("dropout"), x.shape, x.dtype)
        return jnp.asarray(x + self.noise * drawn, x.dtype)
