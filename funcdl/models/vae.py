"""The variational autoencoder, whose score is a bound on how improbable an input is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.inputs import as_vectors
from funcdl.models.mlp import MLP


class VAE(nn.Module):
    """An autoencoder of distributions; the score is the negative evidence lower bound, in nats.

    The encoder gives a mean m and a log-variance v of each coordinate of a code, the decoder g the
    parameters of the input's distribution, and

        score(x) = -log p(x | g(z)) + beta KL(N(m, e^v) || N(0, I)),  z = m + e^(v/2) eps,
        KL = 1/2 sum_i (m_i^2 + e^(v_i) - 1 - v_i),

    with one `eps ~ N(0, I)` per example and step in training. Evaluation takes `z = m`, so that a score
    is no random number; `train.mc_passes` averages the bound over so many draws instead. With beta = 1 it
    bounds `-log p(x)` from above. It scores and does not predict: for the task `anomaly`.

    Source: Kingma & Welling, "Auto-encoding variational Bayes" (ICLR 2014), eq. 10 and appendix B;
    Higgins et al., "beta-VAE" (ICLR 2017), for beta; An & Cho, "Variational autoencoder based anomaly
    detection using reconstruction probability" (2015), for the score.

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder's are the same, backwards.
        bottleneck: coordinates of the code.
        activation: what follows each hidden layer.
        beta: weight of the divergence. With a normal likelihood of unit variance it stands for the
            variance, too: inputs whose noise is small need a small one.
        likelihood: "normal", of unit variance, or "bernoulli", for inputs in [0, 1].
    """

    hidden: Sequence[int] = (32,)
    bottleneck: int = 4
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    beta: float = 1.0
    likelihood: Literal["normal", "bernoulli"] = "normal"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, ...]` to scores `[batch]`, float32 at least."""
        x = as_vectors(inputs)
        # Exponentials and sums over features need more digits than half precision has.
        wide = jnp.promote_types(x.dtype, jnp.float32)
        encoded = MLP(2 * self.bottleneck, self.hidden, self.activation, name="encoder")(x)
        mean, log_variance = jnp.split(encoded.astype(wide), 2, axis=-1)
        code = mean
        if train:
            drawn = jax.random.normal(self.make_rng("dropout"), mean.shape, mean.dtype)
            code = mean + jnp.exp(0.5 * log_variance) * drawn
        decoder = MLP(x.shape[-1], self.hidden[::-1], self.activation, name="decoder")
        given = decoder(code.astype(x.dtype)).astype(wide)
        surprise = SURPRISES[self.likelihood](x.astype(wide), given)
        return surprise + self.beta * divergence(mean, log_variance)


def divergence(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Returns `KL(N(mean, e^log_variance) || N(0, I))` in nats, `[batch, d] -> [batch]`.

    >>> divergence(jnp.array([[0.0, 0.0], [1.0, 2.0]]), jnp.zeros((2, 2))).tolist()
    [0.0, 2.5]
    """
    terms = jnp.square(mean) + jnp.expm1(log_variance) - log_variance
    return 0.5 * jnp.sum(terms, axis=-1)


def normal_surprise(x: jax.Array, mean: jax.Array) -> jax.Array:
    """Returns `-log N(x; mean, I)` in nats, `[batch, d] -> [batch]`."""
    d = x.shape[-1]
    return 0.5 * (jnp.sum(jnp.square(x - mean), axis=-1) + d * math.log(2 * math.pi))


def bernoulli_surprise(x: jax.Array, logits: jax.Array) -> jax.Array:
    """Returns the cross-entropy of `sigmoid(logits)` under x in nats, `[batch, d] -> [batch]`."""
    return jnp.sum(nn.softplus(logits) - x * logits, axis=-1)


SURPRISES = {"normal": normal_surprise, "bernoulli": bernoulli_surprise}
