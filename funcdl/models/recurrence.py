"""A recurrent layer over time, with a gradient that keeps little and multiplies rarely.

Autodiff of a loop over time stores what each operation of a step needs, a dozen arrays of
`[time, batch, width]`, and in XLA:CPU each takes a kernel and two passes over memory before the loop
begins. Here a cell says itself what its gradient needs; the input's product for all steps is
taken before the loop; and since the first state is zero, its products with the weights are left out.
The mathematics is that of the plain loop (`tests/test_recurrence.py` compares both).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models.product import across

Arrays = tuple[jax.Array, ...]


class Cell(NamedTuple):
    """One step in time, and its gradient; arrays are `[batch, width]` unless said otherwise.

    carried: how many arrays go from step to step. The first is the layer's state, which is its output
        and is multiplied by the recurrent weights.
    step: `step(inputs, product, biases, carried) -> (carried, kept)` of the input's gates
        `[batch, a]`, the state times the weights `[batch, b]`, and the biases, of which the first,
        `[1, a]`, is only ever added to the inputs; `kept` is what `back` needs.
    back: `back(kept, d_carried) -> (d_inputs, d_product, d_biases, d_carried)`, where `d_x` is the
        gradient of a loss to `x`. It leaves out the first bias, and what comes to the first of
        `carried` through the product; None there is zero.
    """

    carried: int
    step: Callable[[jax.Array, jax.Array, Arrays, Arrays], tuple[Arrays, Arrays]]
    back: Callable[[Arrays, Arrays], tuple[jax.Array, jax.Array, Arrays, tuple[Any, ...]]]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def states(cell: Cell, inputs: jax.Array, weights: jax.Array, biases: Arrays) -> jax.Array:
    """The states of a layer that starts from zero.

    It can be differentiated in reverse, and its gradient in either way; `jax.jvp` of it is refused.

    Args:
        cell: what is done in a step.
        inputs: the gates' part that comes from the layer's input, `[time, batch, a]`.
        weights: what a state is multiplied by, `[width, b]`.
        biases: of the cell; the first is `[a]`.

    Returns:
        `[time, batch, width]`.
    """
    return _forward(cell, inputs, weights, biases, keep=False)[0]


def _forward(
    cell: Cell, inputs: jax.Array, weights: jax.Array, biases: Arrays, *, keep: bool
) -> Arrays:
    """The states, and what each step has kept for its gradient: arrays of `[time, batch, width]`."""
    time, batch, (width, gates) = inputs.shape[0], inputs.shape[1], weights.shape
    rows = tuple(bias[None] for bias in biases)

    def step(t: Any, product: jax.Array, carried: Arrays) -> tuple[Arrays, Arrays]:
        carried, kept = cell.step(_at(inputs, t), product, rows, carried)
        return carried, (carried[0], *kept) if keep else (carried[0],)

    def body(t: jax.Array, loop: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
        carried, kept = step(t, loop[0][0] @ weights, loop[0])
        return carried, tuple(_put(s, t, x) for s, x in zip(loop[1], kept, strict=True))

    zero = jnp.zeros((batch, width), inputs.dtype)
    carried, kept = step(0, jnp.zeros((batch, gates), inputs.dtype), (zero,) * cell.carried)
    start = tuple(_only(time, 0, x) for x in kept)
    return lax.fori_loop(1, time, body, (carried, start))[1]


def _kept(cell: Cell, inputs: jax.Array, weights: jax.Array, biases: Arrays) -> tuple[Any, Any]:
    found = _forward(cell, inputs, weights, biases, keep=True)
    return found[0], (found, weights)


def _backward(cell: Cell, saved: Any, d_states: jax.Array) -> tuple[Any, ...]:
    (after, *kept), weights = saved
    last = len(d_states) - 1

    def back(t: Any, d_carried: Arrays) -> Any:
        d_carried = (d_carried[0] + _at(d_states, t), *d_carried[1:])
        return cell.back(tuple(_at(x, t) for x in kept), d_carried)

    def body(i: jax.Array, loop: Any) -> Any:
        t = last - i
        d_product, d_weights, d_biases, (d_state, *others), d_inputs = loop
        d_weights += across(_at(after, t), d_product)
        through = d_product @ weights.T
        d_state = through if d_state is None else d_state + through
        d_input, d_product, more, d_carried = back(t, (d_state, *others))
        d_biases = tuple(map(jnp.add, d_biases, more))
        return d_product, d_weights, d_biases, d_carried, _put(d_inputs, t, d_input)

    zero = jnp.zeros_like(after[0])
    d_input, d_product, d_biases, d_carried = back(last, (zero,) * cell.carried)
    start = (
        *(d_product, jnp.zeros_like(weights), d_biases, d_carried),
        _only(last + 1, last, d_input),
    )
    _, d_weights, d_biases, _, d_inputs = lax.fori_loop(1, last + 1, body, start)
    return d_inputs, d_weights, (d_inputs.sum((0, 1)), *d_biases)


states.defvjp(_kept, _backward)


def _at(stack: jax.Array, t: Any) -> jax.Array:
    return lax.dynamic_index_in_dim(stack, t, 0, keepdims=False)


def _put(stack: jax.Array, t: Any, x: jax.Array) -> jax.Array:
    return lax.dynamic_update_index_in_dim(stack, x, t, 0)


def _only(time: int, t: int, x: jax.Array) -> jax.Array:
    """Zeros for all times but one."""
    return jnp.zeros((time, *x.shape), x.dtype).at[t].set(x)
