"""Whether targets are numbers; asked before anything is compiled, and without JAX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from funcdl.data.rows import blocks
from funcdl.errors import DataError
from funcdl.tasks.splits import check_splits, named_splits
from funcdl.types import Dataset


def count_columns(dataset: Dataset) -> int:
    """Returns d, the number of coordinates of a target."""
    targets = dataset.train.targets
    return 1 if targets.ndim == 1 else targets.shape[1]


def check_numbers(dataset: Dataset) -> None:
    """Checks that targets are finite numbers of shape `[n]` or `[n, d]`.

    Raises:
      DataError: with the number of wrong targets, the first of them and its index in its split.
    """
    for name, split in named_splits(dataset):
        targets = split.targets
        if not hasattr(targets, "dtype") or targets.dtype.kind not in "iuf":
            found = getattr(targets, "dtype", type(targets).__name__)
            raise DataError(f"targets of the {name} split are {found}; regression needs numbers")
        if np.ndim(targets) not in (1, 2) or 0 in np.shape(targets)[1:]:
            raise DataError(
                f"targets of the {name} split have shape {list(np.shape(targets))}; "
                "regression needs [n] or [n, d]: flatten them"
            )
        bad = list(_not_finite(targets))
        if bad:
            value = targets[bad[0][0]][tuple(bad[0][1:])]
            raise DataError(
                f"{len(bad)} of {targets.size} targets of the {name} split are not finite; the "
                f"first is {value} at index {bad[0]}; remove or impute these examples"
            )
    check_splits(dataset)


def _not_finite(targets: Any) -> Iterator[list[int]]:
    """The indices of what is not finite; targets in a file are read block by block."""
    for start, block in blocks(targets):
        for row, *rest in np.argwhere(~np.isfinite(block)).tolist():
            yield [start + row, *rest]
