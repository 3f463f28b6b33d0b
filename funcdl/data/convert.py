"""What a user calls an array, as the arrays that training sees: finite, of few dtypes.

| given | inputs | targets |
|---|---|---|
| float16, float32, float64 | float32 | float32 |
| uint8 | pixels: float32 in [0, 1], divided by 255 | int32 |
| other integers | int32 | int32 |
| bool | float32 | int32 |
| text, objects, complex numbers, times | refused | refused |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from funcdl.data.tree import leaves, map_leaves
from funcdl.errors import DataError
from funcdl.types import PyTree

_INT32 = np.iinfo(np.int32)


def to_inputs(tree: PyTree, name: str = "inputs") -> PyTree:
    """Converts a tree of anything `numpy.asarray` takes; see the table above.

    Args:
      tree: dicts, tuples and named tuples of array-likes `[n, ...]`.
      name: what to call it in messages.

    Returns:
      The same tree of NumPy arrays, float32 or int32, finite.

    Raises:
      DataError: for a dtype that cannot be trained on, or values that are not finite.

    >>> to_inputs(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """
    return map_leaves(_to_input, tree, name)


def to_targets(tree: PyTree, name: str = "targets") -> PyTree:
    """Converts targets as `to_inputs` does inputs; uint8 and bool are labels here, not pixels."""
    return map_leaves(_to_target, tree, name)


def examples(inputs: PyTree, targets: PyTree) -> int:
    """Returns the number of examples, which all arrays must share as their leading axis.

    Raises:
      DataError: for scalars, unequal lengths, or no array at all.
    """
    named = leaves(inputs, "inputs") + leaves(targets, "targets")
    for name, array in named:
        if array.ndim == 0:
            raise DataError(f"{name} is a single number; allowed are arrays [n, ...] of n examples")
    lengths = {name: len(array) for name, array in named}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(
            "inputs and targets must hold the same number of examples, but "
            f"{found or 'there is no array'}; the first axis of each array numbers the examples"
        )
    return next(iter(lengths.values()))


def _to_input(name: str, given: Any) -> np.ndarray:
    array = _array(name, given)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype.kind == "b":
        return array.astype(np.float32)
    return _to_float32(name, array) if array.dtype.kind == "f" else _to_int32(name, array)


def _to_target(name: str, given: Any) -> np.ndarray:
    array = _array(name, given)
    return _to_float32(name, array) if array.dtype.kind == "f" else _to_int32(name, array)


def _array(name: str, given: Any) -> np.ndarray:
    if isinstance(given, np.ma.MaskedArray):
        raise DataError(
            f"{name} is a masked array; fill or drop the masked values: {name}.filled(0)"
        )
    try:
        array = np.asarray(given)
    except ValueError as error:  # nested lists of unequal lengths
        raise DataError(
            f"{name} is not an array: its rows have unequal lengths; pad them, "
            "or pass a tuple or dict of arrays"
        ) from error
    if array.dtype.kind in "fbiu":
        return array
    advice = (
        "number the classes with numpy.unique(labels, return_inverse=True)"
        if name.startswith("targets")
        else "encode text and categories as numbers"
    )
    raise DataError(
        f"{name} has dtype {array.dtype}; allowed are floats up to 64 bits, integers and bool: "
        f"{advice}, or convert with .astype(numpy.float32)"
    )


def _to_float32(name: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused just below
        narrow = array.astype(np.float32)
    bad = ~np.isfinite(narrow)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{name} has {int(bad.sum())} of {bad.size} values that are not finite in float32; the "
            f"first is {array[first]} at index {list(first)}; remove or impute these examples"
        )
    return narrow


def _to_int32(name: str, array: np.ndarray) -> np.ndarray:
    if array.size and (int(array.min()) < _INT32.min or int(array.max()) > _INT32.max):
        raise DataError(
            f"{name} has integers from {array.min()} to {array.max()}; allowed are those of int32, "
            f"{_INT32.min} to {_INT32.max}: renumber them, or convert to float32"
        )
    return array.astype(np.int32)
