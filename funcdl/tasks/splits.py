"""What every task asks of a data set, whatever its targets mean; without JAX."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from funcdl.data.tree import leaves
from funcdl.errors import DataError
from funcdl.types import Dataset, Split

NAMES = ("train", "validation", "test")


def named_splits(dataset: Dataset) -> Iterator[tuple[str, Split]]:
    """Yields `(name, split)` in the order of `NAMES`."""
    return ((name, getattr(dataset, name)) for name in NAMES)


def check_splits(dataset: Dataset) -> None:
    """Checks that no split is empty, and that all hold examples of the same shapes and dtypes.

    Raises:
      DataError: naming the split and what it holds.
    """
    expected = _elements(dataset.train)
    for name, split in named_splits(dataset):
        lengths = sorted({len(leaf) for _, leaf in leaves(tuple(split))})
        if len(lengths) != 1 or lengths[0] == 0:
            raise DataError(
                f"the arrays of the {name} split have lengths {lengths}; "
                "allowed is one length for all of them, at least 1"
            )
        if (found := _elements(split)) != expected:
            raise DataError(
                f"an example of the {name} split is {found}, but one of the training split is "
                f"{expected}; all splits must hold the same arrays"
            )


def _elements(split: Split) -> str:
    """One example's arrays, as text."""
    named = leaves(split.inputs, "inputs") + leaves(split.targets, "targets")
    return ", ".join(f"{name} {leaf.dtype}{list(np.shape(leaf)[1:])}" for name, leaf in named)
