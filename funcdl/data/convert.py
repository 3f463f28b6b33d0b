"""What a user calls an array, as the arrays that training sees: finite, of few dtypes.

| given | inputs | targets |
|---|---|---|
| float16, float32, float64 | float32 | float32 |
| uint8 | pixels: float32 in [0, 1], divided by 255 | int32 |
| other integers | int32 | int32 |
| bool | float32 | int32 |
| text, objects, complex numbers, times | refused | refused |

An array that lies in a file, as `numpy.load(path, mmap_mode="r")` gives it, and is larger than 64 MiB
stays there: it becomes `Rows`, whose numbers are converted when they are read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from funcdl.data.mapped import mapped
from funcdl.data.rows import KINDS, Rows, blocks, to_float32
from funcdl.data.tree import leaves, map_leaves
from funcdl.errors import DataError
from funcdl.types import PyTree

SMALL = 2**26  # bytes; what is smaller in a file is read, what is larger stays there
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


def _to_input(name: str, given: Any) -> np.ndarray | Rows:
    array = _array(name, given)
    if 0 in array.shape[1:]:
        raise DataError(
            f"{name} has the shape {list(array.shape)}, examples without a number: nothing can be learnt "
            "from them; choose other columns"
        )
    if array.dtype == np.uint8:
        return _converted(name, array, "pixels")
    return _converted(name, array, "float32" if array.dtype.kind in "fb" else "int32")


def _to_target(name: str, given: Any) -> np.ndarray | Rows:
    array = _array(name, given)
    return _converted(name, array, "float32" if array.dtype.kind == "f" else "int32")


def _converted(name: str, array: np.ndarray | Rows, kind: str) -> np.ndarray | Rows:
    """The array as training sees it, in memory or, if it is a large one in a file, as `Rows`."""
    if isinstance(array, Rows):
        return array
    if array.dtype.kind == "f" and array.ndim:  # `examples` refuses a single number
        _check_finite(name, array)
    elif array.dtype.kind in "iu" and kind == "int32":
        _check_range(name, array)
    # Of one number per example, the numbers of the rows would take as much memory.
    large = array.ndim > 1 and array.nbytes > SMALL
    file = mapped(array) if large else None
    return KINDS[kind](array) if file is None else Rows(file, kind)


def _array(name: str, given: Any) -> np.ndarray | Rows:
    if isinstance(given, Rows):
        return given
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


def _check_finite(name: str, array: np.ndarray) -> None:
    wrong, first = 0, 0
    for start, block in blocks(array):
        bad = ~np.isfinite(to_float32(block))
        if bad.any() and not wrong:
            first = start + int(np.argwhere(bad)[0][0])
        wrong += int(bad.sum())
    if wrong:
        row = ~np.isfinite(to_float32(array[first : first + 1]))
        index = (first, *(int(i) for i in np.argwhere(row)[0][1:]))
        raise DataError(
            f"{name} has {wrong} of {array.size} values that are not finite in float32; the "
            f"first is {array[index]} at index {list(index)}; remove or impute these examples"
        )


def _check_range(name: str, array: np.ndarray) -> None:
    if not array.size or (
        np.iinfo(array.dtype).min >= _INT32.min and np.iinfo(array.dtype).max <= _INT32.max
    ):
        return
    least = min(int(block.min()) for _, block in blocks(array))
    greatest = max(int(block.max()) for _, block in blocks(array))
    if least < _INT32.min or greatest > _INT32.max:
        raise DataError(
            f"{name} has integers from {least} to {greatest}; allowed are those of int32, "
            f"{_INT32.min} to {_INT32.max}: renumber them, or convert to float32"
        )
