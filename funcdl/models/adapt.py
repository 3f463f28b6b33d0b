"""Makes a `Model` of whatever a person has: a Linen module, an NNX module, or two functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.types import Array, Model, PyTree, Variables

# How a module may name the switch between training and evaluation, and what it means there.
_SWITCHES: Mapping[str, Callable[[bool], bool]] = {
    "train": lambda train: train,
    "training": lambda train: train,
    "deterministic": lambda train: not train,
}


def from_linen(module: nn.Module) -> Model:
    """Wraps a Linen module.

    Its `__call__` takes the inputs, and may take `train`, `training` or `deterministic` by keyword.
    Collections other than "params" (batch statistics) are updated by training and only read by
    evaluation.

    Args:
        module: an unbound module.

    >>> model = from_linen(nn.Dense(3))
    >>> variables = model.init(jax.random.key(0), jnp.zeros((2, 5)))
    >>> outputs, _ = model.apply(variables, jnp.zeros((7, 5)), train=False, rngs={})
    >>> outputs.shape
    (7, 3)
    """
    named = keywords(type(module).__call__)

    def init(key: Array, inputs: PyTree) -> Variables:
        return dict(module.init(key, inputs, **_switch(named, train=False)))

    def apply(
        variables: Variables, inputs: PyTree, *, train: bool, rngs: Mapping[str, Array]
    ) -> tuple[PyTree, Variables]:
        switch = _switch(named, train=train)
        state = [name for name in variables if name != "params"]
        if not (train and state):
            return module.apply(variables, inputs, rngs=dict(rngs), **switch), variables
        outputs, updated = module.apply(variables, inputs, rngs=dict(rngs), mutable=state, **switch)
        return outputs, {**variables, **updated}

    return Model(init, apply)


def from_nnx(module: Callable[..., Any], **arguments: Any) -> Model:
    """Wraps an NNX module class, or any function that makes an NNX module of its random streams.

    The module is made inside `init`, so that its weights depend on the key. Its `nnx.Param` are
    "params"; its other variables, but for random streams, are the collection "state". Random
    streams start anew in each training step, from the keys `apply` is given. `module.train()` and
    `module.eval()` set dropout and batch norm, and a `train`, `training` or `deterministic`
    keyword of its `__call__` is filled as in `from_linen`.

    Args:
        module: `module(*, rngs, **arguments) -> nnx.Module`, or `module(rngs)`.
        **arguments: passed on.

    Raises:
        TypeError: a module that is already made; its weights would be the same for all seeds.

    >>> from flax import nnx
    >>> model = from_nnx(nnx.Linear, in_features=5, out_features=3)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((2, 5)))
    >>> sorted(variables["params"])
    ['bias', 'kernel']
    """
    from flax import nnx  # 0.2 s that studies without NNX do not pay

    if isinstance(module, nnx.Module):
        raise TypeError(
            f"an NNX module that is already made, {type(module).__name__}(...), has the same "
            f"weights for all seeds; give the class and its arguments, or a function that makes "
            f"it: lambda rngs: {type(module).__name__}(..., rngs=rngs)"
        )

    def make(rngs: nnx.Rngs) -> nnx.Module:
        if "rngs" in keywords(module):
            return module(rngs=rngs, **arguments)
        return module(rngs, **arguments)

    def init(key: Array, inputs: PyTree) -> Variables:
        del inputs  # an NNX module knows its sizes
        streams = ("default", "params", "dropout")
        keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(streams)}
        _, params, _, state = nnx.split(make(nnx.Rngs(**keys)), nnx.Param, nnx.RngState, ...)
        return _collections(nnx.to_pure_dict(params), nnx.to_pure_dict(state))

    def apply(
        variables: Variables, inputs: PyTree, *, train: bool, rngs: Mapping[str, Array]
    ) -> tuple[PyTree, Variables]:
        # The graph (what is where) is static; it is made again rather than kept from `init`, so
        # that a resumed run, which never calls `init`, has it too.
        blank = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
        graph, params, streams, state = nnx.split(blank, nnx.Param, nnx.RngState, ...)
        nnx.replace_by_pure_dict(params, dict(variables["params"]))
        nnx.replace_by_pure_dict(state, dict(variables.get("state", {})))
        net = nnx.merge(graph, params, jax.tree.map(_unset, streams), state)
        net.train() if train else net.eval()
        if rngs:
            first = next(iter(rngs.values()))
            nnx.reseed(net, **{"default": jax.random.fold_in(first, 0), **rngs})
        outputs = net(inputs, **_switch(keywords(type(net).__call__), train=train))
        if not train:
            return outputs, variables
        _, _, _, state = nnx.split(net, nnx.Param, nnx.RngState, ...)
        return outputs, _collections(variables["params"], nnx.to_pure_dict(state))

    return Model(init, apply)


def from_functions(init: Callable[..., PyTree], apply: Callable[..., PyTree]) -> Model:
    """Wraps a pair of pure functions.

    Args:
        init: `init(key, inputs) -> params`, a pytree of arrays.
        apply: `apply(params, inputs) -> outputs`; it may also take `train`, `training` or
            `deterministic` (a bool) and `rngs` ({"dropout": key}, empty in evaluation) by keyword.

    >>> model = from_functions(
    ...     init=lambda key, inputs: jax.random.normal(key, (inputs.shape[-1], 3)),
    ...     apply=lambda params, inputs: inputs @ params,
    ... )
    >>> variables = model.init(jax.random.key(0), jnp.zeros((2, 5)))
    >>> model.apply(variables, jnp.zeros((7, 5)), train=False, rngs={})[0].shape
    (7, 3)
    """
    named = keywords(apply)

    def init_variables(key: Array, inputs: PyTree) -> Variables:
        return {"params": init(key, inputs)}

    def apply_variables(
        variables: Variables, inputs: PyTree, *, train: bool, rngs: Mapping[str, Array]
    ) -> tuple[PyTree, Variables]:
        extra: dict[str, Any] = {"rngs": rngs} if "rngs" in named else {}
        extra |= _switch(named, train=train)
        outputs = apply(variables["params"], inputs, **extra)
        if isinstance(outputs, tuple):
            raise TypeError(
                "apply(params, inputs) returned a tuple; return the outputs alone, or give a pair "
                "that returns (outputs, variables) as funcdl.Model(init, apply)"
            )
        return outputs, variables

    return Model(init_variables, apply_variables)


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """What a function takes, or a class to make an instance.

    For a class this is `__init__`, where `inspect.signature` would look at the metaclass of an NNX
    module, which takes anything.
    """
    if not isinstance(function, type):
        return inspect.signature(function)
    taken = inspect.signature(function.__init__)
    return taken.replace(parameters=list(taken.parameters.values())[1:])


def keywords(function: Callable[..., Any]) -> frozenset[str]:
    """The names of the arguments that a function takes by keyword."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # some callables of C extensions have no signature
        return frozenset()
    return frozenset(p.name for p in parameters if p.kind in kinds)


def _switch(named: frozenset[str], *, train: bool) -> dict[str, Any]:
    """The keyword, if there is one, that tells a module whether it trains."""
    return {name: mean(train) for name, mean in _SWITCHES.items() if name in named}


def _collections(params: PyTree, state: PyTree) -> Variables:
    return {"params": params, "state": state} if state else {"params": params}


def _unset(leaf: jax.ShapeDtypeStruct) -> jax.Array:
    """A random stream's key or counter before it is seeded."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), leaf.shape)
    return jnp.zeros(leaf.shape, leaf.dtype)
