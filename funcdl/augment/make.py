"""From a study's `train.augment` to a function of a key and a batch."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import jax

from funcdl.augment import AUGMENTATIONS, READS
from funcdl.augment.reading import check_reads, kind_of
from funcdl.errors import Problem, StudyError
from funcdl.types import Array, PyTree

Augment = Callable[[Array, PyTree], PyTree]


def make_augment(spec: Any) -> Augment:
    """Makes what changes a batch of inputs before a model is trained on it.

    Args:
        spec: a name of `AUGMENTATIONS`, a function `(key, inputs, **arguments) -> inputs`, or a mapping
            of `name`, which is one of these, and arguments; or a list of such, which are applied
            one after the other. Arguments that are floats may be traced.

    Returns:
        `augment(key, inputs) -> inputs`, pure, for inputs `[batch, ...]`. Those named change every
        array of a kind that they read, and leave alone what else is in a tree of inputs; a function
        is given the tree as it is. It raises `DataError` where there is nothing to change.

    Raises:
        StudyError: an unknown name, or an entry without one.

    >>> augment = make_augment([{"name": "shift", "pixels": 1.0}, "flip"])
    >>> augment(jax.random.key(0), jax.numpy.ones((2, 8, 8, 1))).shape
    (2, 8, 8, 1)
    """
    entries = list(spec) if isinstance(spec, list | tuple) else [spec]
    stages = [_stage(entry) for entry in entries]

    def augment(key: Array, inputs: PyTree) -> PyTree:
        for place, stage in enumerate(stages):
            inputs = stage(jax.random.fold_in(key, place), inputs)
        return inputs

    return augment


def _stage(entry: Any) -> Augment:
    """One entry of the list."""
    arguments = dict(entry) if isinstance(entry, Mapping) else {"name": entry}
    name = arguments.pop("name", None)
    if callable(name):
        return lambda key, inputs: name(key, inputs, **arguments)
    if not isinstance(name, str) or name not in AUGMENTATIONS:
        close = difflib.get_close_matches(str(name), AUGMENTATIONS, 1)
        hint = f"did you mean {close[0]}; " if close else ""
        text = f"unknown augmentation {name!r}; {hint}allowed {', '.join(AUGMENTATIONS)}"
        raise StudyError([Problem("", "train.augment", text)])
    module, _, attribute = AUGMENTATIONS[name].partition(":")
    function = getattr(importlib.import_module(module), attribute)
    return lambda key, inputs: _on_arrays(name, function, key, inputs, arguments)


def _on_arrays(
    name: str, function: Any, key: Array, inputs: PyTree, arguments: Mapping[str, Any]
) -> PyTree:
    """Applies it to the arrays that it reads, each with draws of its own."""
    arrays, tree = jax.tree.flatten(inputs)
    check_reads(name, [(array.shape, str(array.dtype)) for array in arrays])
    changed = [
        function(jax.random.fold_in(key, place), array, **arguments)
        if kind_of(array.shape, str(array.dtype)) in READS[name]
        else array
        for place, array in enumerate(arrays)
    ]
    return jax.tree.unflatten(tree, changed)
