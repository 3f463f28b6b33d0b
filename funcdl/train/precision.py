"""In what numbers a run computes: half-precision models, and the precision of matrix products.

Both wrap what they are given, so that they hold for every model, also for one that a user wrote.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from funcdl.types import Array, Model, PyTree, Train, Variables

COMPUTE_DTYPES = ("float32", "bfloat16")
MATMUL_PRECISIONS = (None, "default", "high", "highest")


def computing_in(model: Model, compute_dtype: str) -> Model:
    """The model, computing in another dtype than that of its parameters.

    The policy is that of mixed-precision training: parameters, and with them their gradients and the
    optimizer's state, are float32; the model sees parameters and inputs in `compute_dtype`, in
    training and in evaluation alike; its outputs are made float32 again, so that loss and metrics
    are computed in it. Collections other than the parameters (running statistics) stay as they are
    throughout: a mean of many batches would come to a halt in 8 bits of precision. Linen's and
    NNX's norms compute their statistics in float32 whatever their inputs are. Integers (labels,
    tokens), booleans and random keys are not touched.

    bfloat16 has the exponents of float32, so no scaling of the loss is needed. What a model makes
    itself of an explicit dtype (`jnp.zeros(n, "float32")`) promotes what it is added to.

    Source: Micikevicius et al., "Mixed precision training" (ICLR 2018), section 3.1; Kalamkar et
    al., "A study of bfloat16 for deep learning training" (2019), for leaving out the scaling.

    Args:
        model: any model.
        compute_dtype: one of `COMPUTE_DTYPES`; "float32" returns the model itself.

    Raises:
        ValueError: for any other dtype.

    >>> from funcdl.models.make import make_model
    >>> model = computing_in(make_model("mlp", 3), "bfloat16")
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 4)))
    >>> outputs, _ = model.apply(variables, jnp.ones((2, 4)), train=False, rngs={})
    >>> outputs.dtype, {str(leaf.dtype) for leaf in jax.tree.leaves(variables)}
    (dtype('float32'), {'float32'})
    """
    if compute_dtype not in COMPUTE_DTYPES:
        raise ValueError(f"compute_dtype={compute_dtype!r}; allowed {', '.join(COMPUTE_DTYPES)}")
    if compute_dtype == "float32":
        return model
    low = jnp.dtype(compute_dtype)

    def apply(
        variables: Variables, inputs: PyTree, *, train: bool, rngs: Mapping[str, Array]
    ) -> tuple[PyTree, Variables]:
        lowered = {**variables, "params": _cast(variables["params"], low)}
        outputs, after = model.apply(lowered, _cast(inputs, low), train=train, rngs=rngs)
        state = {
            name: jax.tree.map(_like, value, variables[name])
            for name, value in after.items()
            if name != "params"
        }
        return _cast(outputs, jnp.float32), {**state, "params": variables["params"]}

    return Model(model.init, apply)


def multiplying_in(train: Train, matmul_precision: str | None) -> Train:
    """The run, with a precision for its products of float32 matrices and its convolutions.

    Hardware with units for coarser numbers uses them for float32 products, too: by default a TPU
    rounds the factors to bfloat16. "high" and "highest" multiply by parts that are added (three or
    six products of bfloat16 on a TPU) or in TensorFloat-32 and float32 (on a GPU). On a CPU all are
    float32. The precision is written into the traced program, at every product that names none of
    its own, those of the gradient and of the optimizer among them.

    Args:
        train: any run.
        matmul_precision: one of `MATMUL_PRECISIONS`; None returns the run itself, which follows
            whatever JAX's own default is.

    Raises:
        ValueError: for any other precision.
    """
    if matmul_precision not in MATMUL_PRECISIONS:
        allowed = ", ".join(map(str, MATMUL_PRECISIONS))
        raise ValueError(f"matmul_precision={matmul_precision!r}; allowed {allowed}")
    if matmul_precision is None:
        return train

    def wrapped(function: Any) -> Any:
        @functools.wraps(function)
        def under(*args: Any, **kwargs: Any) -> Any:
            with jax.default_matmul_precision(matmul_precision):
                return function(*args, **kwargs)

        return under

    return Train(*map(wrapped, train))


def _cast(tree: PyTree, dtype: Any) -> PyTree:
    """Every floating-point leaf in that dtype."""

    def one(leaf: Any) -> Any:
        leaf = leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf)
        return jnp.asarray(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(one, tree)


def _like(new: Any, old: Any) -> Any:
    """`new` in the dtype of `old`, which a compiled loop must carry unchanged."""
    if not jnp.issubdtype(old.dtype, jnp.floating):
        return new
    return jnp.asarray(new, old.dtype)
