"""An `Optimizer` from an optax factory, with every numeric hyperparameter traced.

The factory is called inside the traced function, at every update, with that update's numbers:
`factory(**static, **floats)`. So the transformation is always optax's own (`inject_hyperparams`
drifts from it, google-deepmind/optax#1532), a rate is a scalar even where optax takes no schedule
(`sm3`, `optimistic_adam`), and a user's function may do arithmetic with it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from funcdl import optimizers
from funcdl.errors import FuncdlError
from funcdl.types import Array, Hyper, Optimizer, PyTree

# A schedule multiplies these; optax lets muon's second rate follow a schedule as well.
_RATES = ("learning_rate", "adam_learning_rate")

Schedule = Callable[[Array, Hyper], Array]  # (step, hyper) -> multiplier


class State(NamedTuple):
    """An optimizer's state; the dtypes of its arrays never change.

    count: int32 scalar, updates done.
    inner: the optax state.
    """

    count: Array
    inner: PyTree


def make_optimizer(
    factory: str | Callable[..., Any],
    static: Mapping[str, Any] | None = None,
    *,
    schedule: Mapping[str, Any] | None = None,
    clip_norm: bool = False,
    clip_value: bool = False,
    weight_decay: bool = False,
) -> Callable[[Hyper], Optimizer]:
    """Binds what is static; the result binds the traced numbers: `make_optimizer(...)(hyper)`.

    An update is, in this order: clip each gradient entry to [-c, c]; clip the global norm; add
    `weight_decay * params` to the gradient (coupled, so plain L2; an optimizer's own decoupled
    decay is its own argument); the optimizer. A schedule multiplies the learning rate by
    `curve(updates done, steps)`; an optimizer without one (a closure, `polyak_sgd`, `adafactor`
    when left to itself) has its updates multiplied instead, which for optimizers that end with
    their learning rate is the same.

    Args:
        factory: a name in `optimizers.names()`, a callable that returns an optax transformation,
            or a transformation.
        static: its arguments that are not traced (integers, switches, None); lists become tuples.
        schedule: `{"name": ..., arguments that are not floats}`, or None for a constant rate.
        clip_norm: whether to clip the global norm, to `hyper["train.clip_norm"]`.
        clip_value: whether to clip entries, to `hyper["train.clip_value"]`.
        weight_decay: whether to add L2, of `hyper["train.weight_decay"]`.

    Returns:
        `bind(hyper) -> Optimizer`, to be called inside the traced function. It reads
        `optimizer.*` (the factory's floats), `train.schedule.*` (the schedule's floats),
        `train.steps` and the three above; all float32 scalars.

    Raises:
        FuncdlError: for a name that cannot be used, or a schedule that would have no effect.

    >>> bind = make_optimizer("sgd", schedule={"name": "linear"})
    >>> hyper = {"optimizer.learning_rate": 1.0, "train.schedule.final": 0.0, "train.steps": 4}
    >>> sgd = bind({key: jnp.float32(value) for key, value in hyper.items()})
    >>> params = jnp.zeros(2)
    >>> state = sgd.init(params)
    >>> for _ in range(3):
    ...     updates, state = sgd.update(jnp.ones(2), state, params)
    >>> updates.tolist()
    [-0.5, -0.5]
    """
    fixed = {name: _tuples(value) for name, value in (static or {}).items()}
    construct = functools.partial(_constructor(factory), **fixed)
    curve = _curve(factory, schedule)

    def transform(hyper: Hyper, multiplier: Array | None) -> optax.GradientTransformationExtraArgs:
        parts = []
        if clip_value:
            parts.append(optax.clip(hyper["train.clip_value"]))
        if clip_norm:
            parts.append(optax.clip_by_global_norm(hyper["train.clip_norm"]))
        if weight_decay:
            parts.append(optax.add_decayed_weights(hyper["train.weight_decay"]))
        floats = _section(hyper, "optimizer.")
        if multiplier is not None:
            floats |= {rate: floats[rate] * multiplier for rate in _RATES if rate in floats}
        parts.append(_checked(construct(**floats), factory))
        if multiplier is not None and "learning_rate" not in floats:
            parts.append(optax.scale(multiplier))
        return optax.chain(*parts)

    def bind(hyper: Hyper) -> Optimizer:
        one = None if curve is None else jnp.float32(1.0)

        def init(params: PyTree) -> State:
            # Rates enter some states (rprop's step sizes), unscheduled.
            inner = transform(hyper, one).init(params)
            return State(jnp.int32(0), jax.tree.map(_cast, inner, inner))

        def update(grads: PyTree, state: State, params: PyTree, **extra: Any):
            multiplier = None if curve is None else curve(state.count, hyper)
            optimizer = transform(hyper, multiplier)
            updates, inner = optimizer.update(grads, state.inner, params, **_seen_by_all(extra))
            inner = jax.tree.map(_cast, inner, state.inner)
            return updates, State(optax.safe_increment(state.count), inner)

        return Optimizer(init, update, _eval_params)

    return bind


def _constructor(factory: str | Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(factory, str):
        return _load(optimizers.target(factory))
    if hasattr(factory, "init") and hasattr(factory, "update"):
        return lambda: factory
    return factory


def _load(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _curve(
    factory: str | Callable[..., Any], schedule: Mapping[str, Any] | None
) -> Schedule | None:
    if schedule is None:
        return None
    static = {key: _tuples(value) for key, value in schedule.items() if key != "name"}
    name = schedule["name"]
    if name not in optimizers.SCHEDULES:
        raise FuncdlError(f"no schedule {name!r}; there are {', '.join(optimizers.SCHEDULES)}")
    reason = optimizers.unscheduled(factory) if isinstance(factory, str) else ""
    if reason and name != "constant":
        raise FuncdlError(f"{factory} does not follow the schedule {name!r}: {reason}")
    if reason:
        return None
    function = _load(optimizers.SCHEDULES[name])

    def curve(step: Array, hyper: Hyper) -> Array:
        return function(step, hyper["train.steps"], **static, **_section(hyper, "train.schedule."))

    return curve


def _section(hyper: Hyper, prefix: str) -> dict[str, Array]:
    return {key.removeprefix(prefix): hyper[key] for key in hyper if key.startswith(prefix)}


def _seen_by_all(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The loss under both of its names: `value_fn`, and sophia's `obj_fn`.

    A line search refuses any argument that `value_fn` does not take, so it takes that one.
    """
    if "value_fn" not in extra:
        return dict(extra)
    loss = extra["value_fn"]

    def value_fn(params: PyTree, obj_fn: Any = None) -> Array:
        del obj_fn
        return loss(params)

    return {**extra, "value_fn": value_fn, "obj_fn": loss}


def _checked(made: Any, factory: str | Callable[..., Any]) -> Any:
    if not (callable(getattr(made, "init", None)) and callable(getattr(made, "update", None))):
        name = getattr(factory, "__name__", type(factory).__name__)
        raise FuncdlError(
            f"the optimizer {name} returned {type(made).__name__}; it must return an "
            "optax.GradientTransformation, such as optax.sgd(learning_rate)"
        )
    return made


def _cast(new: Any, old: Any) -> jax.Array:
    """`new` in the dtype of `old`, and not weakly typed; random keys are left alone.

    Some states change dtype at the first update, which a compiled loop cannot carry.
    """
    dtype = jnp.result_type(old)
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return new
    return jax.lax.convert_element_type(new, dtype)


def _eval_params(state: State, params: PyTree) -> PyTree:
    """The averaged point of schedule-free methods, wherever in the state they are, else params."""

    def is_averaged(node: Any) -> bool:
        return isinstance(node, contrib.ScheduleFreeState)

    nodes = jax.tree.leaves(state.inner, is_leaf=is_averaged)
    averaged = [node for node in nodes if is_averaged(node)]
    if len(averaged) != 1:
        return params
    return contrib.schedule_free_eval_params(averaged[0], params)
