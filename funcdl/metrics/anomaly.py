"""What scores of strangeness are worth, example by example; in JAX.

What needs a whole split, such as the area under the ROC curve, is in `binary`.
"""

from __future__ import annotations

import jax.numpy as jnp

from funcdl.types import Array


def normal_score(scores: Array, labels: Array) -> Array:
    """Returns the score of a normal example and 0 of an anomaly, `[batch]`.

    Its mean over a split is the mean score of the normal examples times their share of the split: what
    training minimises, on examples that it has not seen. The share is the same for all methods.

    >>> normal_score(jnp.array([1.0, 3.0, 50.0]), jnp.array([0, 0, 1])).tolist()
    [1.0, 3.0, 0.0]
    """
    wide = jnp.promote_types(scores.dtype, jnp.float32)
    return jnp.where(labels == 0, scores.astype(wide), 0)


METRICS = {"loss": normal_score}
