"""Where a ranking of all items puts the one that was chosen next; in JAX.

All functions take `scores` `[batch, items]` (the higher, the sooner recommended) and `targets`: the
item that was chosen, int `[batch]`, or a dict of `item`, the same, and `seen`, int32 `[batch, words]`,
a set of items that are not ranked: item i is in it if bit `i mod 32` of word `i div 32` is set. They
return float32 `[batch]`.

Ranked are all items but number 0, which is padding, and those in `seen`: a person does not see a film
for the first time twice. Equal scores are ranked by the items' numbers, the lower one first, and scores
that are no numbers (NaN) last. With one item to find, every metric here is a function of its rank r.
"""

from __future__ import annotations

import jax.numpy as jnp

from funcdl.types import Array, PyTree

WORD = 32  # items in a word of a set


def item_of(targets: PyTree) -> Array:
    """The items that were chosen, `[batch]`, whether or not targets say what was seen."""
    return targets["item"] if isinstance(targets, dict) else targets


def rank(scores: Array, targets: PyTree) -> Array:
    """Returns the rank of the item that was chosen, int32 `[batch]`; the best is 1.

    >>> scores = jnp.array([[9.0, 1.0, 3.0, 2.0]])
    >>> rank(scores, jnp.array([3])).tolist()
    [2]
    >>> rank(scores, {"item": jnp.array([3]), "seen": jnp.array([[0b100]])}).tolist()
    [1]
    """
    item = item_of(targets)[:, None]
    _check_shapes(scores, item)
    scores = jnp.where(jnp.isnan(scores), -jnp.inf, scores)
    numbers = jnp.arange(scores.shape[1], dtype=item.dtype)[None]
    chosen = jnp.take_along_axis(scores, item, axis=1)
    before = (scores > chosen) | ((scores == chosen) & (numbers < item))
    ranked = numbers > 0
    if isinstance(targets, dict) and targets["seen"].shape[1]:
        ranked = ranked & ~members(targets["seen"], scores.shape[1])
    return 1 + jnp.sum(before & ranked, axis=1, dtype=jnp.int32)


def members(words: Array, items: int) -> Array:
    """Which items are in a set: int32 `[batch, words]` as bool `[batch, items]`.

    >>> members(jnp.array([[0b101]]), 4).tolist()
    [[True, False, True, False]]
    """
    bits = jnp.arange(WORD, dtype=jnp.int32)[None, None]
    each = (words[:, :, None] >> bits) & 1
    return jnp.reshape(each, (words.shape[0], -1))[:, :items] == 1


def recall(scores: Array, targets: PyTree, k: int = 10) -> Array:
    """Returns 1.0 where the item is among the first k, else 0.0; also known as hit rate.

    >>> recall(jnp.array([[0.0, 1.0, 3.0, 2.0]]), jnp.array([3]), k=1).tolist()
    [0.0]
    """
    return (rank(scores, targets) <= k).astype(jnp.float32)


def precision(scores: Array, targets: PyTree, k: int = 10) -> Array:
    """Returns the share of the first k that was chosen: `recall / k`, at most 1 / k."""
    return recall(scores, targets, k) / k


def ndcg(scores: Array, targets: PyTree, k: int = 10) -> Array:
    """Returns the normalised discounted cumulative gain: `1 / log2(1 + r)` if `r <= k`, else 0.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (ACM TOIS 2002).

    >>> ndcg(jnp.array([[0.0, 1.0, 3.0, 2.0]]), jnp.array([1])).tolist()
    [0.5]
    """
    r = rank(scores, targets)
    return jnp.where(r <= k, 1.0 / jnp.log2(1.0 + r), 0.0).astype(jnp.float32)


def reciprocal_rank(scores: Array, targets: PyTree) -> Array:
    """Returns `1 / r`, whose mean is the mean reciprocal rank (MRR)."""
    return (1.0 / rank(scores, targets)).astype(jnp.float32)


def _check_shapes(scores: Array, item: Array) -> None:
    """Shapes that would broadcast to something else than one ranking for each item."""
    if scores.ndim != 2 or item.shape != (scores.shape[0], 1):
        raise ValueError(
            f"scores of shape {list(scores.shape)} for items of shape {list(item.shape[:1])}; "
            "allowed are [batch, items] and [batch]"
        )
