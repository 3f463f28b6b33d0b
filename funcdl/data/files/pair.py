"""A column of inputs and a column of targets, value by value as another library gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from funcdl.data.convert import to_inputs, to_targets
from funcdl.data.files.picture import eight_bits
from funcdl.data.files.tokenised import tokenised
from funcdl.data.split import split_as
from funcdl.errors import DataError
from funcdl.types import Dataset


class Column(NamedTuple):
    """A column.

    name: what it is called.
    values: `[n]`: texts, pictures of Pillow, arrays, numbers.
    classes: names of the labels 0, 1, ... where the library knows them.
    """

    name: str
    values: Sequence[Any]
    classes: tuple[str, ...] = ()


def from_pair(
    source: str,
    x: Column,
    y: Column,
    *,
    unit: Literal["words", "characters"],
    size: int,
    length: int,
    split: Mapping[str, Any],
    resize: str,
) -> Dataset:
    """Makes a data set of two columns.

    Args:
      source: what the data set is called, for messages.
      x: inputs: texts, pictures of one size, or arrays of one shape.
      y: targets: labels, text, whole numbers from 0, or numbers.
      unit: of texts: see `funcdl.data.files.tokenised.tokenised`, as are `size` and `length`.
      size: of texts.
      length: of texts.
      split: see `funcdl.data.split.split`; by group, equal inputs stay together.
      resize: how examples become of one shape, for a message.

    Returns:
      A `Dataset` with inputs int32 `[n, length]` of texts, float32 `[n, height, width, channels]` in
      [0, 1] of pictures, or float32 or int32 `[n, ...]`.

    Raises:
      DataError: for values that are missing, labels without a name, and shapes that differ.
    """
    for column in (x, y):
        _check_there(source, column)
    targets, classes = _targets(source, y)
    if all(isinstance(one, str) for one in x.values):
        return tokenised(
            x.values, targets, unit=unit, size=size, length=length, split=split, classes=classes
        )
    try:
        stacked = np.stack([_pixels(one) for one in x.values])
    except ValueError as error:
        raise DataError(
            f"{source}: column {x.name!r} has no one shape ({error}); {resize}"
        ) from error
    groups = None
    if isinstance(split, Mapping) and split.get("by") == "group":
        _, groups = np.unique([one.tobytes() for one in stacked], return_inverse=True)
    return split_as(
        split,
        to_inputs(stacked, f"{source}: column {x.name!r}"),
        targets,
        groups=groups,
        classes=classes,
    )


def _check_there(source: str, column: Column) -> None:
    if not len(column.values):
        raise DataError(f"{source} has no example")
    gone = [i for i, value in enumerate(column.values) if value is None]
    if gone:
        raise DataError(
            f"{source}: column {column.name!r} is empty in {len(gone)} rows; the first is row {gone[0]}; "
            "remove them"
        )


def _targets(source: str, column: Column) -> tuple[np.ndarray, tuple[str, ...]]:
    if not column.classes and all(isinstance(value, str) for value in column.values):
        kinds, labels = np.unique(list(column.values), return_inverse=True)
        return labels.reshape(-1).astype(np.int32), tuple(map(str, kinds))
    try:
        given = np.asarray(column.values)
    except ValueError as error:
        raise DataError(
            f"{source}: column {column.name!r} has no one shape: {error}; targets are labels or numbers"
        ) from error
    found = to_targets(given, f"column {column.name!r}")
    if column.classes:
        k = len(column.classes)
        strange = np.flatnonzero((found < 0) | (found >= k))
        if strange.size:
            raise DataError(
                f"{source}: column {column.name!r} has {strange.size} of {found.size} labels outside "
                f"0..{k - 1}; the first is {found[strange[0]]} in row {strange[0]} (where labels are "
                "kept back they are -1): use another data.part, or remove these rows"
            )
    return found, column.classes


def _pixels(one: Any) -> np.ndarray:
    """A picture `[height, width, channels]`, or an array as it is."""
    if not hasattr(one, "getbands"):
        return np.asarray(one)
    found = np.asarray(eight_bits(one))
    return found[..., None] if found.ndim == 2 else found
