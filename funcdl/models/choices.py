"""What recommenders share: histories and people as inputs, tables of items, and scores of all items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from funcdl.errors import DataError
from funcdl.models.product import inner

PADDING = 0  # the number that stands for no item


class Candidates(NamedTuple):
    """What a training step knows of scores where it does not score all items.

    score: `score(items=[m, c]) -> [batch, c]`, with m 1 or the batch: the same items for all
        examples, or each example's own. A pytree, so that it can leave what is traced.
    drawn: int32 `[c]`, items from 1 on, each drawn with the same probability, for all examples.
    each: float32 scalar, how many items a draw stands for.
    """

    score: Any
    drawn: jax.Array
    each: jax.Array


def scored(
    module: nn.Module, score: Callable[..., jax.Array], parts: tuple[Any, ...], drawn: int
) -> jax.Array | Candidates:
    """The scores of all items, `[batch, items]`; or, if some are to be drawn, `Candidates`.

    Args:
        module: whose "dropout" stream gives the draws.
        score: `score(*parts, items=None)`, of all items, or of those given as in `Candidates`. A
            function of a module, since it is a part of the structure of what is returned.
        parts: pytrees of arrays; the first array's first axis numbers the items, padding included.
        drawn: how many items to draw; 0 for all of them.
    """
    if not drawn:
        return score(*parts)
    items = jax.tree.leaves(parts[0])[0].shape[0]
    found = jax.random.randint(module.make_rng("dropout"), (drawn,), 1, items, jnp.int32)
    return Candidates(Partial(score, *parts), found, jnp.float32((items - 1) / drawn))


def dot_products(
    table_IxW: jax.Array, bias_I: jax.Array, user_BxW: jax.Array, items: jax.Array | None = None
) -> jax.Array:
    """Scores `u . v_i + b_i`, of all items, or of `items` as in `Candidates`."""
    rows = table_IxW if items is None else look_up(table_IxW, items)
    return add_bias(products(user_BxW, rows), bias_I, items)


def products(user_BxW: jax.Array, rows: jax.Array) -> jax.Array:
    """Scores `u . v`, `[batch, c]`, with rows `[c, width]` or `[1, c, width]`, or `[batch, c, width]`."""
    if rows.ndim == 2:
        return inner(user_BxW, rows)
    if rows.shape[0] == 1:
        return inner(user_BxW, rows[0])
    return jnp.sum(user_BxW[:, None] * rows, axis=-1)


def add_bias(scores: jax.Array, bias_I: jax.Array, items: jax.Array | None) -> jax.Array:
    """The scores with their items' biases."""
    return scores + (bias_I[None] if items is None else look_up(bias_I, items))


def look_up(table: jax.Array, ids: jax.Array) -> jax.Array:
    """The rows of a table, `[..., width]`; numbers beyond its end are read as the last.

    Gradients of rows are added up in float32 at least: a popular item's would come to a halt in 8 bits.
    """
    wide = table.astype(jnp.promote_types(table.dtype, jnp.float32))
    return jnp.take(wide, ids, axis=0, mode="clip").astype(table.dtype)


def history_of(inputs: Any) -> jax.Array:
    """The items that each person chose before, integers `[batch, time]`, the latest last.

    Raises:
        DataError: the inputs have none.
    """
    return _part(inputs, "history", "[batch, time]", 2)


def user_of(inputs: Any) -> jax.Array:
    """The number of each person, integers `[batch]`.

    Raises:
        DataError: the inputs have none.
    """
    return _part(inputs, "user", "[batch]", 1)


def _part(inputs: Any, name: str, shape: str, axes: int) -> jax.Array:
    found = inputs.get(name) if isinstance(inputs, dict) else None
    if found is None or found.ndim != axes or not jnp.issubdtype(found.dtype, jnp.integer):
        given = jax.tree.map(lambda x: f"{x.dtype}{list(x.shape)}", inputs)
        raise DataError(
            f"this model reads {name!r}, integers {shape}; the inputs are {given}: choose data of who "
            "chose what (movielens, ratings), or another model"
        )
    return found
