"""How much an example counts in training: more where its class is rare, less where it is easy.

All functions take `logits` `[batch, k]` of any float dtype (computed in float32 at least) and integer
`labels` `[batch]` in 0..k-1, and return a factor per example, `[batch]`.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from funcdl.types import Array

IMPOSSIBLE = -1e30  # as a log-probability: finite, so that no infinity meets another in a gradient


def focal_factor(logits: Array, labels: Array, gamma: float | Array) -> Array:
    """Returns `(1 - p[label])^gamma`: what is predicted well counts little; 1 at gamma = 0.

    From the log-probabilities of the other classes, so that it has all its digits, and a gradient,
    where p[label] is 1 to rounding.

    Args:
      logits: `[batch, k]`.
      labels: `[batch]`.
      gamma: at least 0; 2 in the paper's best results.

    Source: Lin et al., "Focal loss for dense object detection" (ICCV 2017), eq. 4.

    >>> focal_factor(jnp.array([[0.0, 0.0]]), jnp.array([1]), 2.0).tolist()
    [0.25]
    """
    log_p = jnp.maximum(jax.nn.log_softmax(_wide(logits)), IMPOSSIBLE)
    others = jnp.where(_is_label(logits, labels), IMPOSSIBLE, log_p)
    return jnp.exp(gamma * jax.nn.logsumexp(others, axis=-1))


def class_factor(logits: Array, labels: Array, weights: Sequence[float]) -> Array:
    """Returns `k w[label] / sum_j w[j]`: the weight of the example's class, with a mean of 1 over classes.

    So only the weights' ratios matter, and the loss of data that have all classes equally often keeps
    its size. Of other data the mean factor is another: nothing is divided by the weights of a batch.

    Args:
      logits: `[batch, k]`.
      labels: `[batch]`.
      weights: a number per class, at least 0, not all 0.

    >>> class_factor(jnp.zeros((2, 2)), jnp.array([0, 1]), [1.0, 3.0]).tolist()
    [0.5, 1.5]
    """
    of_class = jnp.asarray(weights, _wide(logits).dtype)
    of_class = of_class * (len(weights) / jnp.sum(of_class))
    return jnp.sum(jnp.where(_is_label(logits, labels), of_class[None, :], 0.0), axis=-1)


def positive_factor(labels: Array, weight: float | Array) -> Array:
    """Returns `class_factor` with the weights (1, w), where w may be traced.

    Args:
      labels: `[batch]`, 0 or 1.
      weight: of class 1, above 0.
    """
    return 2.0 * jnp.where(labels == 1, weight, 1.0) / (1.0 + weight)


def _wide(logits: Array) -> Array:
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def _is_label(logits: Array, labels: Array) -> Array:
    return jnp.arange(logits.shape[-1])[None, :] == labels[:, None]
