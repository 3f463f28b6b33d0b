"""Some of a data set's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from funcdl.data.digest import digest
from funcdl.data.tree import take
from funcdl.errors import DataError
from funcdl.types import Dataset, Split


def with_only(dataset: Dataset, only: Sequence[int]) -> Dataset:
    """Leaves the examples of these classes in all three splits; their labels become 0, 1, ...

    Args:
        dataset: with labels, int `[n]`.
        only: labels, in the order that gives their new numbers.

    Returns:
        The data set. Who was in which split stays as it was.

    Raises:
        DataError: for targets that are no labels, fewer than two classes, and classes that a split lacks.

    >>> from funcdl.data.digits import digits
    >>> some = with_only(digits(), [7, 3])
    >>> some.classes, sorted(set(some.test.targets.tolist()))
    (('7', '3'), [0, 1])
    """
    splits = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    for part in splits.values():
        if not isinstance(part.targets, np.ndarray) or part.targets.dtype.kind not in "iu":
            raise DataError("data.only names classes, but the targets of these data are no labels")
    known = sorted({int(label) for part in splits.values() for label in np.unique(part.targets)})
    wrong = [label for label in only if label not in known]
    if wrong or len(set(only)) != len(only) or len(only) < 2:
        raise DataError(
            f"data.only is {list(only)}; allowed are two or more different labels of "
            f"{known[0]} to {known[-1]}"
        )
    number = np.full(known[-1] + 1, -1, np.int32)
    number[list(only)] = np.arange(len(only))
    rows = {name: np.flatnonzero(number[part.targets] >= 0) for name, part in splits.items()}
    some = {
        name: Split(take(part.inputs, rows[name]), number[part.targets[rows[name]]])
        for name, part in splits.items()
    }
    for name, part in some.items():
        if len(np.unique(part.targets)) < len(only):
            raise DataError(f"data.only: the {name} split lacks one of the classes {list(only)}")
    classes = tuple(dataset.classes[label] for label in only) if dataset.classes else ()
    units = None if dataset.units is None else dataset.units[rows["test"]]
    found = digest(some, classes, dict(dataset.ids))
    return dataset._replace(**some, classes=classes, digest=found, units=units)
