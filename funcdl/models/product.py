"""Matrix products whose gradients take the forms that XLA's CPU backend runs fast.

A product `x w` has two more in its gradient, `g w^T` and `x^T g`. XLA:CPU (jaxlib 0.10.2) hands the
first to a kernel that reaches the core's peak, and likewise `x w` itself. The second contracts the
first axis of its left operand, for which it has only a slower one: 60 % of the rate for
`[256, 512] [512, 64]`, 40 % where it also copies `g`, and a fifth for the many small products
of attention. Transposing that operand first costs less than this. XLA folds such a transpose
back into the product unless a barrier keeps it from doing so.

The rules are given as forward derivatives, which JAX transposes by itself: so `jvp`, `vmap`, and
derivatives of any order work, and the mathematics is that of `jnp.matmul`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def matmul(x: jax.Array, w: jax.Array) -> jax.Array:
    """`x w`, for `[..., m, k]` and `[..., k, n]` with the same leading axes.

    >>> matmul(jnp.ones((2, 3)), jnp.ones((3, 1))).tolist()
    [[3.0], [3.0]]
    """
    return _matmul(x, w) if jax.default_backend() == "cpu" else jnp.matmul(x, w)


def inner(x: jax.Array, y: jax.Array) -> jax.Array:
    """`x y^T`, for `[..., m, k]` and `[..., n, k]` with the same leading axes.

    >>> inner(jnp.ones((2, 3)), jnp.ones((1, 3))).tolist()
    [[3.0], [3.0]]
    """
    return _inner(x, y) if jax.default_backend() == "cpu" else jnp.matmul(x, _swapped(y))


def across(x: jax.Array, g: jax.Array) -> jax.Array:
    """`x^T g`, for `[m, k]` and `[m, n]`: the form of a gradient of weights.

    >>> across(jnp.ones((3, 2)), jnp.ones((3, 1))).tolist()
    [[3.0], [3.0]]
    """
    return jnp.matmul(_transposed(x), g)


def dot_general(
    lhs: jax.Array,
    rhs: jax.Array,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    **options: Any,
) -> jax.Array:
    """Does what `jax.lax.dot_general` does; give it to Linen: `nn.Dense(..., dot_general=...)`.

    What `nn.Dense` asks for, the last axis of `lhs` with the first of a matrix, is done on the CPU
    by `matmul` on the rows of `lhs`; with more than one leading axis, XLA would copy the gradient.
    All else is left to `lax`.
    """
    plain = precision is None and preferred_element_type is None and not options
    if plain and rhs.ndim == 2 and _contracts_rows(lhs, dimension_numbers):
        rows = matmul(jnp.reshape(lhs, (-1, lhs.shape[-1])), rhs)
        return jnp.reshape(rows, (*lhs.shape[:-1], rhs.shape[1]))
    return lax.dot_general(
        lhs,
        rhs,
        dimension_numbers,
        precision=precision,
        preferred_element_type=preferred_element_type,
        **options,
    )


@jax.custom_jvp
def _matmul(x: jax.Array, w: jax.Array) -> jax.Array:
    return jnp.matmul(x, w)


@_matmul.defjvp
def _matmul_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (x, w), (dx, dw) = primals, tangents
    # Transposing the product with `dw` gives `x_t g`.
    return _matmul(x, w), _matmul(dx, w) + jnp.matmul(_swapped(_transposed(x)), dw)


@jax.custom_jvp
def _inner(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.matmul(x, _swapped(y))


@_inner.defjvp
def _inner_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (x, y), (dx, dy) = primals, tangents
    # The transpose of a barrier is one: the gradient passes it, transposed, before its product.
    through_y = lax.optimization_barrier(jnp.matmul(dy, _swapped(x)))
    return _inner(x, y), _inner(dx, y) + _swapped(through_y)


def _transposed(x: jax.Array) -> jax.Array:
    """The transpose, as an array of its own: XLA shall not fold it into a product.

    The inner barrier keeps what computes `x` out of the transpose's loop, where it would run along
    columns.
    """
    return lax.optimization_barrier(_swapped(lax.optimization_barrier(x)))


def _swapped(x: jax.Array) -> jax.Array:
    """With the last two axes exchanged."""
    return jnp.swapaxes(x, -1, -2)


def _contracts_rows(lhs: jax.Array, dimension_numbers: Any) -> bool:
    """Whether the last axis of `lhs` meets the first of the other, and nothing is batched."""
    (mine, theirs), (batch, other) = dimension_numbers
    return (
        tuple(mine) == (lhs.ndim - 1,) and tuple(theirs) == (0,) and not batch and not tuple(other)
    )
