"""A run that begins with what another run has learnt: transfer, and what of it stays as it is.

Both wrap the model, so that they hold for every model and optimizer. Parameters that are frozen stand in
a collection of their own, `frozen`, and not among those that are trained: no gradient is taken of them,
no clipping or decay sees them, and an optimizer keeps nothing for them. The two trees have the shape of
the whole; what the other one has is None, which to JAX is an empty tree.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any, NamedTuple

from funcdl.errors import DataError
from funcdl.types import Array, Model, PyTree, Variables

PARAMS, FROZEN = "params", "frozen"
MOST = 6  # names in a message


class Start(NamedTuple):
    """What decides how a run begins, besides the numbers.

    shapes: name, shape and dtype of each array of the source, such as "params/Dense_0/kernel".
    head: whether the layer whose size follows from the number of outputs is taken over, too.
    freeze: which parameters are frozen: "none", "all_but_head", or patterns of their names.
    """

    shapes: tuple[tuple[str, tuple[int, ...], str], ...]
    head: bool
    freeze: str | tuple[str, ...]


def blank(start: Start | None) -> tuple[dict[str, Any], ...]:
    """What `init` takes beside the data, filled with zeros: nothing without a start."""
    import numpy as np

    if start is None:
        return ()
    return ({name: np.zeros(shape, dtype) for name, shape, dtype in start.shapes},)


def starting(model: Model, wider: Model, start: Start) -> Model:
    """The model, whose `init` takes a third argument: the arrays that it begins with, by name.

    What stands under the same name, and has the same shape, is taken over. The head is what changes its
    shape when a model is made for one more output, however the model is written.

    Args:
        model: as the run's task needs it.
        wider: the same for one output more; only its shapes matter.
        start: what is taken over and what is frozen.

    Returns:
        A model whose `init` raises `DataError` for a source that does not fit, and for a `freeze` that
        freezes nothing or everything.
    """

    def init(key: Array, inputs: PyTree, source: Mapping[str, Array]) -> Variables:
        import jax

        fresh = model.init(key, inputs)
        head = _head(named(fresh), named(jax.eval_shape(wider.init, key, inputs)))
        filled = _filled(fresh, head, source, start.head)
        return parted(filled, frozen_names(list(named(fresh[PARAMS])), head, start.freeze))

    def apply(variables: Variables, inputs: PyTree, **extra: Any) -> tuple[PyTree, Variables]:
        outputs, after = model.apply(whole(variables), inputs, **extra)
        same = {name: variables[name] for name in (PARAMS, FROZEN) if name in variables}
        return outputs, {**after, **same}

    return Model(init, apply)  # type: ignore[arg-type]


def named(tree: PyTree) -> dict[str, Any]:
    """Leaves by name: their path, as "params/Dense_0/kernel".

    >>> named({"Dense_0": {"bias": 1, "kernel": 2}})
    {'Dense_0/bias': 1, 'Dense_0/kernel': 2}
    """
    import jax

    found = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): leaf for path, leaf in found}


def whole(variables: Variables) -> Variables:
    """The variables with the frozen parameters in their places among the others."""
    import jax

    if FROZEN not in variables:
        return variables
    both = jax.tree.map(
        lambda trained, frozen: frozen if trained is None else trained,
        variables[PARAMS],
        variables[FROZEN],
        is_leaf=lambda x: x is None,
    )
    return {**{n: value for n, value in variables.items() if n != FROZEN}, PARAMS: both}


def parted(variables: Variables, frozen: frozenset[str]) -> Variables:
    """The variables with these parameters in a collection of their own.

    >>> parted({"params": {"a": 1, "b": 2}}, frozenset({"a"}))
    {'params': {'a': None, 'b': 2}, 'frozen': {'a': 1, 'b': None}}
    """
    import jax

    if not frozen:
        return variables

    def only(keep: bool) -> PyTree:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: leaf if (_name(path) in frozen) is keep else None, variables[PARAMS]
        )

    return {**variables, PARAMS: only(False), FROZEN: only(True)}


def frozen_names(
    names: list[str], head: frozenset[str], freeze: str | tuple[str, ...]
) -> frozenset[str]:
    """Which parameters are frozen.

    Args:
        names: of all parameters, such as "Dense_0/kernel".
        head: names of the head's variables, such as "params/Dense_1/kernel".
        freeze: as in `Start`; a pattern names a parameter, or all below it, and `*` stands for anything.

    Raises:
        DataError: if a pattern fits nothing, if there is no head, or if nothing is left to train.

    >>> sorted(frozen_names(["a/bias", "a/kernel", "b/bias"], frozenset(), ("a",)))
    ['a/bias', 'a/kernel']
    """
    if freeze == "none":
        return frozenset()
    if freeze == "all_but_head":
        if not head:
            raise DataError(
                "freeze is all_but_head, but no parameter of this model follows from the number of "
                "outputs; list what is frozen by patterns"
            )
        found = {name for name in names if f"{PARAMS}/{name}" not in head}
    else:
        found = set()
        for pattern in freeze:
            fit = [
                n
                for n in names
                if any(fnmatch.fnmatchcase(n, p) for p in (pattern, pattern + "/*"))
            ]
            if not fit:
                layers = list(dict.fromkeys(name.split("/")[0] for name in names))
                raise DataError(
                    f"freeze has {pattern!r}, which fits no parameter; the model has {', '.join(layers)}"
                )
            found |= set(fit)
    if len(found) == len(names):
        raise DataError("freeze leaves nothing to train; freeze fewer parameters")
    return frozenset(found)


def _head(shapes: Mapping[str, Any], wider: Mapping[str, Any]) -> frozenset[str]:
    """What changes with the number of outputs."""
    return frozenset(n for n, x in shapes.items() if n not in wider or wider[n].shape != x.shape)


def _filled(
    fresh: Variables, head: frozenset[str], source: Mapping[str, Array], keep_head: bool
) -> Variables:
    """What `init` drew, with the source's arrays in its place."""
    import jax
    import jax.numpy as jnp

    own = named(fresh)
    wanted = {name: leaf for name, leaf in own.items() if keep_head or name not in head}
    wrong = [_misfit(name, leaf, source) for name, leaf in wanted.items()]
    wrong += [f"the source has {name}, which is not here" for name in source if name not in own]
    if found := list(filter(None, wrong)):
        more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
        raise DataError(
            f"the source's parameters do not fit: {'; '.join(found[:MOST])}{more}; give the model the "
            "arguments that it has in the source, and data of the same shape"
        )

    def one(path: Any, leaf: Array) -> Array:
        name = _name(path)
        return jnp.asarray(source[name], leaf.dtype) if name in wanted else leaf

    return jax.tree_util.tree_map_with_path(one, fresh)


def _misfit(name: str, leaf: Array, source: Mapping[str, Array]) -> str:
    if name not in source:
        return f"the source has no {name}"
    shape = list(source[name].shape)
    return (
        "" if shape == list(leaf.shape) else f"{name} is {shape} there and {list(leaf.shape)} here"
    )


def _name(path: Any) -> str:
    import jax

    return jax.tree_util.keystr(path, simple=True, separator="/")
