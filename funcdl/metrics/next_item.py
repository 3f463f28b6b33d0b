"""The loss of naming the next item: its negative log-probability among all items, or among some."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from funcdl.metrics.ranking import item_of
from funcdl.types import Array, PyTree


def negative_log_likelihood(scores: Array, targets: PyTree) -> Array:
    """Returns `-log p[item]` in nats, float32 `[batch]`, with p the softmax over all items but padding.

    Args:
      scores: `[batch, items]`; those of number 0, padding, count nowhere.
      targets: as in `funcdl.metrics.ranking`; what was seen counts here, as it does in training.

    >>> negative_log_likelihood(jnp.array([[9.0, 0.0, 0.0]]), jnp.array([2])).round(4).tolist()
    [0.6930999755859375]
    """
    item = item_of(targets)[:, None]
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    real = jnp.arange(scores.shape[1])[None] > 0
    total = jax.nn.logsumexp(jnp.where(real, scores, -jnp.inf), axis=1)
    return total - jnp.take_along_axis(scores, item, axis=1)[:, 0]


def sampled_negative_log_likelihood(
    chosen: Array, others: Array, drawn: Array, each: Array, targets: PyTree
) -> Array:
    """Returns an estimate of `negative_log_likelihood` from the scores of some items.

    `log(exp(s) + w * sum_j exp(s_j)) - s`, over the draws that are not the chosen item itself. With c
    draws from n items and `w = n / c` the sum has the expectation of that over all other items.

    Args:
      chosen: `[batch]`, scores s of the items that were chosen.
      others: `[batch, c]`, scores of those drawn.
      drawn: `[c]`, their numbers, each drawn with the same probability.
      each: scalar, w: how many items a draw stands for.
      targets: as in `funcdl.metrics.ranking`.

    Source: Jean et al., "On using very large target vocabulary for neural machine translation" (ACL
    2015), section 3, with uniform draws.
    """
    wide = jnp.promote_types(chosen.dtype, jnp.float32)
    chosen, others = chosen.astype(wide)[:, None], others.astype(wide)
    hit = drawn[None] == item_of(targets)[:, None]
    others = jnp.where(hit, -jnp.inf, others + jnp.log(each))
    total = jax.nn.logsumexp(jnp.concatenate([chosen, others], axis=1), axis=1)
    return total - chosen[:, 0]
