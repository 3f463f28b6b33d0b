"""The examples of a batch, whether the whole training split is on the device or a part of it.

A data set that does not fit on the device stays on the host, and the batches of some consecutive
steps are brought, in the order in which `indices` names them: a *window*. What a step computes from
its batch is the same program in both cases, so a run's bits are the same.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from funcdl.data.order import indices
from funcdl.types import Array, Split


class Window(NamedTuple):
    """The batches of some steps, one after the other.

    first: int32 scalar, the step of the first batch.
    rows: their examples, `[steps * batch_size, ...]`.
    """

    first: Array
    rows: Split


def batch_at(data: Split | Window, key: Array, step: Array, batch_size: int) -> Split:
    """The batch of a step.

    Args:
        data: the whole training split, or a window that holds the step's batch.
        key: of the order in which the examples of the whole split are seen.
        step: int32 scalar.
        batch_size: examples in a batch.
    """
    if isinstance(data, Window):
        start = (step - data.first) * batch_size
        chosen, rows = start + jnp.arange(batch_size, dtype=jnp.int32), data.rows
    else:
        n = jax.tree.leaves(data.inputs)[0].shape[0]
        chosen, rows = indices(key, step, n=n, batch_size=batch_size), data
    # `chosen` lies within: checking each index again for each entry of its row has a price.
    return jax.tree.map(
        lambda x: jnp.asarray(x).at[chosen].get(mode="promise_in_bounds"),
        rows,
    )
