"""What a classifier's outputs are worth, example by example.

All functions take `logits` `[batch, k]` of any float dtype (computed in float32 at least) and
integer `labels` `[batch]` in 0..k-1, and return `[batch]`. Labels are compared, not gathered: the
gradient of a gather is a scatter, which is slow on CPU and not deterministic on GPU.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from funcdl.types import Array


def negative_log_likelihood(logits: Array, labels: Array) -> Array:
    """Returns `-log p[label]` with `p = softmax(logits)`, in nats; 0 is best.

    >>> negative_log_likelihood(jnp.array([[0.0, 0.0]]), jnp.array([1])).round(4).tolist()
    [0.6930999755859375]
    """
    return smoothed_negative_log_likelihood(logits, labels, 0.0)


def smoothed_negative_log_likelihood(logits: Array, labels: Array, smoothing: float) -> Array:
    """Returns the cross-entropy against labels mixed with the uniform distribution.

    `(1 - s) * -log p[label] + s * mean_j(-log p[j])`.

    Args:
      logits: `[batch, k]`.
      labels: `[batch]`.
      smoothing: s in [0, 1).

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016),
    section 7.
    """
    log_p = jax.nn.log_softmax(_wide(logits))
    # Selected, not multiplied by 0: the log-probability of another class may be -inf.
    nll = -jnp.sum(jnp.where(_is_label(logits, labels), log_p, 0.0), axis=-1)
    if isinstance(smoothing, float | int) and smoothing == 0:
        return nll
    return (1.0 - smoothing) * nll - smoothing * jnp.mean(log_p, axis=-1)


def accuracy(logits: Array, labels: Array) -> Array:
    """Returns 1.0 where the largest logit is the label's, else 0.0; of equal ones the first counts.

    >>> accuracy(jnp.array([[0.0, 2.0], [3.0, 1.0]]), jnp.array([1, 1])).tolist()
    [1.0, 0.0]
    """
    _check_shapes(logits, labels)
    return (jnp.argmax(logits, axis=-1) == labels).astype(jnp.float32)


def brier(logits: Array, labels: Array) -> Array:
    """Returns the Brier score `sum_j (p[j] - [j = label])^2`, in [0, 2]; 0 is best.

    Source: Brier, "Verification of forecasts expressed in terms of probability" (Monthly Weather
    Review, 1950), eq. 2. With two classes it is twice the score of the positive class alone.

    >>> brier(jnp.array([[0.0, 0.0]]), jnp.array([1])).tolist()
    [0.5]
    """
    p = jax.nn.softmax(_wide(logits))
    return jnp.sum(jnp.square(p - _is_label(logits, labels)), axis=-1)


def mean_of_passes(logits: Array) -> Array:
    """Returns the logarithm of the mean probability over several passes, which are logits again.

    Args:
      logits: `[passes, batch, k]`.
    """
    log_p = jax.nn.log_softmax(_wide(logits))
    return jax.nn.logsumexp(log_p, axis=0) - jnp.log(jnp.float32(logits.shape[0]))


METRICS = {"loss": negative_log_likelihood, "accuracy": accuracy, "brier": brier}


def _wide(logits: Array) -> Array:
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def _is_label(logits: Array, labels: Array) -> Array:
    """bool `[batch, k]`, true at each example's label."""
    _check_shapes(logits, labels)
    return jnp.arange(logits.shape[-1])[None, :] == labels[:, None]


def _check_shapes(logits: Array, labels: Array) -> None:
    """Logits `[batch]` would be read as one row of classes, `[batch, time, k]` as something else.

    Raises:
      ValueError: if the shapes do not fit.
    """
    if logits.ndim != 2 or logits.shape[:1] != labels.shape:
        raise ValueError(
            f"logits have shape {list(logits.shape)} and labels {list(labels.shape)}; "
            "allowed are [batch, k] and [batch]"
        )
