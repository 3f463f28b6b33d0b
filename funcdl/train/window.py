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
from funcdl.types import Array, PyTree, Split


class Window(NamedTuple):
    """The batches of some steps, one after the other.

    first: int32 scalar, the step of the first batch.
    rows: their examples, `[steps * batch_size, ...]`.
    """

    first: Array
    rows: Split


class Both(NamedTuple):
    """Inputs of labelled examples `[B, ...]` and of unlabelled ones `[M, ...]`."""

    labelled: PyTree
    unlabelled: PyTree


class Partly(NamedTuple):
    """Training data of which a part has labels; each part is whole or a window.

    The unlabelled examples are a `Split` without targets, and stand in an order of their own.
    """

    labelled: Split | Window
    unlabelled: Split | Window

    @property
    def inputs(self) -> PyTree:
        """Those of the labelled examples, which is what a model is made for."""
        return self.labelled.inputs  # type: ignore[union-attr]


UNLABELLED = 1  # folded into the key of the order


def batch_at(
    data: Split | Window | Partly, key: Array, step: Array, batch_size: int, ratio: int = 0
) -> Split:
    """The batch of a step.

    Args:
        data: the whole training split, or a window that holds the step's batch; or both parts of data of
            which only some have labels. The batch's inputs are then `Both`.
        key: of the order in which the examples of the whole split are seen.
        step: int32 scalar.
        batch_size: labelled examples in a batch.
        ratio: unlabelled examples for each of these.
    """
    if isinstance(data, Partly):
        labelled = batch_at(data.labelled, key, step, batch_size)
        own = jax.random.fold_in(key, UNLABELLED)
        unlabelled = batch_at(data.unlabelled, own, step, batch_size * ratio)
        return Split(Both(labelled.inputs, unlabelled.inputs), labelled.targets)
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
