"""Rematerialisation: activations computed again for the gradient, instead of kept for it.

The gradient of a chain of n layers needs every layer's activations. Cut into about sqrt(n) segments,
of which only the values at the cuts are kept, it needs those and one segment's activations at a
time, for one more forward pass: memory of order sqrt(n) instead of n.

Source: Chen et al., "Training deep nets with sublinear memory cost" (2016), sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun

from funcdl.models.recurrence import by_autodiff
from funcdl.train.cuts import is_loop, segments_of, variables
from funcdl.types import Array, Model, PyTree, Variables

_ON_CPU = {"xla_disable_hlo_passes": "cse_barrier_expander"}


def compiler_options(backend: str) -> dict[str, Any]:
    """What XLA has to be told, so that it computes again what is meant to be computed again.

    `jax.checkpoint` puts a barrier before it, so that XLA does not recognise the same expression
    and keep its value after all. XLA's CPU backend takes these barriers away before it looks for
    equal expressions, unless the pass that does so is left out.

    Args:
        backend: "cpu", "gpu" or "tpu".

    Returns:
        Options for `jax.jit(..., compiler_options=...)` or `lowered.compile(...)`.
    """
    return dict(_ON_CPU) if backend == "cpu" else {}


def rematerialised(model: Model) -> Model:
    """The model, whose training pass keeps few activations; see `in_segments`."""

    def apply(
        variables: Variables, inputs: PyTree, *, train: bool, rngs: Mapping[str, Array]
    ) -> tuple[PyTree, Variables]:
        if not train:
            return model.apply(variables, inputs, train=False, rngs=rngs)

        def forward(variables: Variables, inputs: PyTree, rngs: Any) -> tuple[PyTree, Variables]:
            with by_autodiff():  # a layer's own gradient would keep what it likes
                return model.apply(variables, inputs, train=True, rngs=rngs)

        return in_segments(forward)(variables, inputs, dict(rngs))

    return Model(model.init, apply)


def in_segments(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The function, cut into segments that its gradient computes again.

    The cuts are found in the function's trace, where the least has to be kept: behind a block of a
    residual network this is the sum, whatever the model's author called a block. The last segment
    is kept as it is, since its gradient comes right after it. A loop over time (`lax.scan`) is a
    chain by itself: what it carries is kept at every step, the inside of a step computed again.
    What is hidden from the trace (all of a model within one `jax.jit`) is one segment, and costs
    what it costs without this.

    Args:
        function: a pure function of pytrees of arrays.

    Returns:
        A function with the same values and gradients.

    >>> import jax.numpy as jnp
    >>> float(jax.grad(in_segments(lambda x: jnp.sin(jnp.sin(x))))(1.0)).hex() == float(
    ...     jax.grad(lambda x: jnp.sin(jnp.sin(x)))(1.0)).hex()
    True
    """

    def segmented(*arguments: PyTree) -> PyTree:
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        jaxpr = closed.jaxpr
        inputs = [*jaxpr.constvars, *jaxpr.invars]
        values = [*closed.consts, *jax.tree.leaves(arguments)]
        known: dict[Any, Any] = dict(zip(inputs, values, strict=True))
        segments = _with_results(jaxpr)
        for equations, wanted in segments:
            last = equations is segments[-1][0]
            known |= _compute(jaxpr, equations, wanted, known, keep=last)
        return jax.tree.unflatten(jax.tree.structure(shapes), _read(jaxpr.outvars, known))

    return segmented


def _with_results(jaxpr: Jaxpr) -> list[tuple[list[JaxprEqn], list[Var]]]:
    """The segments, each with what is needed of it behind it."""
    needed, found = set(variables(jaxpr.outvars)), []
    for equations in reversed(list(segments_of(jaxpr))):
        wanted = [v for equation in equations for v in equation.outvars if v in needed]
        needed.update(v for equation in equations for v in variables(equation.invars))
        found.append((equations, wanted))
    return found[::-1]


def _compute(
    jaxpr: Jaxpr,
    equations: Sequence[JaxprEqn],
    wanted: Sequence[Var],
    known: Mapping[Any, Any],
    *,
    keep: bool,
) -> dict[Any, Any]:
    """The values of one segment that are wanted; `keep` keeps its activations, too."""
    first = equations[0]
    if is_loop(first):
        return dict(zip(first.outvars, _loop(first, _read(first.invars, known)), strict=True))
    taken = dict.fromkeys(
        v for equation in equations for v in variables(equation.invars) if v in known
    )
    part = jaxpr.replace(
        constvars=[], invars=list(taken), outvars=list(wanted), eqns=list(equations)
    )
    function = jaxpr_as_fun(ClosedJaxpr(part, []))
    values = (function if keep else jax.checkpoint(function))(*(known[v] for v in taken))
    return dict(zip(wanted, values, strict=True))


def _read(atoms: Sequence[Any], known: Mapping[Any, Any]) -> list[Any]:
    return [v.val if isinstance(v, Literal) else known[v] for v in atoms]


def _loop(equation: JaxprEqn, inputs: Sequence[Any]) -> list[Any]:
    """A `lax.scan` whose steps are computed again for the gradient."""
    told = equation.params
    consts, carried = told["num_consts"], told["num_carry"]
    fixed, start, over = (
        inputs[:consts],
        inputs[consts : consts + carried],
        inputs[consts:][carried:],
    )
    step = jax.checkpoint(jaxpr_as_fun(told["jaxpr"]), prevent_cse=False)

    def body(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        found = step(*fixed, *carry, *x)
        return list(found[:carried]), list(found[carried:])

    ends, gathered = lax.scan(
        body,
        list(start),
        list(over),
        length=told["length"],
        reverse=told["reverse"],
        unroll=told["unroll"],
    )
    return [*ends, *gathered]
