"""A recurrent layer over time, with a gradient that keeps little and multiplies rarely.

Autodiff of a loop over time stores what each operation of a step needs, a dozen arrays of
`[time, batch, width]`, each written by a kernel of its own. Here a cell says what its gradient needs;
all gates share a product; and since the first state is zero, its products with the weights are
left out. The mathematics is that of the plain loop (`tests/test_recurrence.py` compares both).
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from funcdl.models.product import across

Arrays = tuple[jax.Array, ...]

_plain = contextvars.ContextVar("plain", default=False)


class Cell(NamedTuple):
    """One step in time, and its gradient; arrays are `[batch, width]` unless said otherwise.

    carried: how many arrays go from step to step. The first is the layer's state, which is its output
        and is multiplied by the recurrent weights.
    step: `step(of_input, of_state, bias, carried) -> (carried, kept)` of both products `[batch, ...]`
        and a bias `[1, ...]` inside the cell; `kept` is what `back` needs.
    back: `back(kept, d_carried) -> (d_of_input, d_of_state, d_bias, d_carried)`, where `d_x` is the
        gradient of a loss to `x`, and `d_bias` that of one row. What comes to the first of `carried`
        through the product is left out; None there is zero.
    """

    carried: int
    step: Callable[[jax.Array, jax.Array, jax.Array, Arrays], tuple[Arrays, Arrays]]
    back: Callable[[Arrays, Arrays], tuple[jax.Array, jax.Array, jax.Array, tuple[Any, ...]]]


class Weights(NamedTuple):
    """What is trained.

    of_input: `[features, a]`.
    of_state: `[width, b]`.
    bias: `[c]`, inside the cell; `c` may be 0.
    """

    of_input: jax.Array
    of_state: jax.Array
    bias: jax.Array


def states(cell: Cell, inputs: jax.Array, weights: Weights) -> jax.Array:
    """The states of a layer that starts from zero.

    It can be differentiated in reverse, and its gradient in either way; `jax.jvp` of it is refused.

    Args:
        cell: what is done in a step.
        inputs: `[time, batch, features]`.
        weights: of the same dtype.

    Returns:
        `[time, batch, width]`.
    """
    return (_loop if _plain.get() else _states)(cell, inputs, weights)


@contextlib.contextmanager
def by_autodiff() -> Iterator[None]:
    """What is traced here is the plain loop, of which `train.remat` can compute each step again."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def _loop(cell: Cell, inputs: jax.Array, weights: Weights) -> jax.Array:
    def step(carried: Arrays, x: jax.Array) -> tuple[Arrays, jax.Array]:
        products = x @ weights.of_input, carried[0] @ weights.of_state
        carried, _ = cell.step(*products, weights.bias[None], carried)
        return carried, carried[0]

    return lax.scan(step, _zeros(cell, inputs, weights), inputs)[1]


_states = functools.partial(jax.custom_vjp, nondiff_argnums=(0,))(_loop)


def _forward(cell: Cell, inputs: jax.Array, weights: Weights) -> tuple[jax.Array, Any]:
    """The states, and what the gradient needs: theirs and what steps kept, `[time, batch, width]`."""
    time, batch, gates = inputs.shape[0], inputs.shape[1], weights.of_state.shape[1]

    def step(t: Any, of_state: jax.Array, carried: Arrays) -> tuple[Arrays, Arrays]:
        of_input = _at(inputs, t) @ weights.of_input
        carried, kept = cell.step(of_input, of_state, weights.bias[None], carried)
        return carried, (carried[0], *kept)

    def body(t: jax.Array, loop: tuple[Arrays, Arrays]) -> tuple[Arrays, Arrays]:
        carried, kept = step(t, loop[0][0] @ weights.of_state, loop[0])
        return carried, tuple(_put(s, t, x) for s, x in zip(loop[1], kept, strict=True))

    nothing = jnp.zeros((batch, gates), inputs.dtype)
    carried, kept = step(0, nothing, _zeros(cell, inputs, weights))
    start = (carried, tuple(_only(time, 0, x) for x in kept))
    found = lax.fori_loop(1, time, body, start)[1]
    return found[0], (found, inputs, weights)


def _backward(cell: Cell, saved: Any, d_states: jax.Array) -> tuple[jax.Array, Weights]:
    (after, *kept), inputs, weights = saved
    last = len(inputs) - 1

    def back(t: Any, d_carried: Arrays, loop: tuple[jax.Array, Weights]) -> Any:
        """What step `t` adds to the gradient; that of its state's product is for the step before."""
        d_carried = (d_carried[0] + _at(d_states, t), *d_carried[1:])
        d_input, d_of_state, d_bias, d_carried = cell.back(
            tuple(_at(x, t) for x in kept), d_carried
        )
        d_inputs, d_weights = loop
        d_weights = d_weights._replace(
            of_input=d_weights.of_input + across(_at(inputs, t), d_input),
            bias=d_weights.bias + d_bias,
        )
        d_inputs = _put(d_inputs, t, d_input @ weights.of_input.T)
        return d_of_state, d_carried, (d_inputs, d_weights)

    def body(i: jax.Array, loop: Any) -> Any:
        t = last - i
        d_of_state, (d_state, *others), (d_inputs, d_weights) = loop
        more = across(_at(after, t), d_of_state)
        d_weights = d_weights._replace(of_state=d_weights.of_state + more)
        through = d_of_state @ weights.of_state.T
        d_state = through if d_state is None else d_state + through
        return back(t, (d_state, *others), (d_inputs, d_weights))

    start = jnp.zeros_like(inputs), jax.tree.map(jnp.zeros_like, weights)
    start = back(last, _zeros(cell, inputs, weights), start)
    return lax.fori_loop(1, last + 1, body, start)[2]


_states.defvjp(_forward, _backward)


def _zeros(cell: Cell, inputs: jax.Array, weights: Weights) -> Arrays:
    """What a layer starts from."""
    return (jnp.zeros((inputs.shape[1], len(weights.of_state)), inputs.dtype),) * cell.carried


def _at(stack: jax.Array, t: Any) -> jax.Array:
    return lax.dynamic_index_in_dim(stack, t, 0, keepdims=False)


def _put(stack: jax.Array, t: Any, x: jax.Array) -> jax.Array:
    return lax.dynamic_update_index_in_dim(stack, x, t, 0)


def _only(time: int, t: int, x: jax.Array) -> jax.Array:
    """Zeros for all times but one."""
    return jnp.zeros((time, *x.shape), x.dtype).at[t].set(x)
