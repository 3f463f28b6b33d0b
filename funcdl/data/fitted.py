"""A data set whose inputs are prepared by numbers that are found on its training split alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from funcdl.data.digest import digest
from funcdl.data.split import split_as
from funcdl.data.tree import take
from funcdl.types import Dataset, PyTree, Split

Prepare = Callable[[np.ndarray], PyTree]


def fitted(
    rule: Mapping[str, Any],
    fit: Callable[[np.ndarray], Prepare],
    targets: PyTree,
    *,
    n: int,
    groups: Any = None,
    classes: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    keep: np.ndarray | None = None,
) -> Dataset:
    """Splits first, then fits on the training rows, then prepares each split.

    Means, medians and vocabularies that have seen the test split would tell a model of it.

    Args:
      rule: `by`, `test`, `validation`, `seed` and `block` of `funcdl.data.split.split`.
      fit: `fit(rows)` looks at the training rows (integers) and returns `prepare(rows) -> inputs`.
      targets: tree of arrays `[n, ...]`.
      n: number of examples.
      groups: `[n]`, for a split by group.
      classes: names of the classes.
      counts: how many ids the inputs number, `Dataset.ids`.
      keep: bool `[n]`: which rows may be trained on; None for all. Other splits keep all of theirs.

    Raises:
      DataError: as `split` does.
    """
    parts = split_as(rule, np.arange(n), targets, groups=groups, classes=classes)
    rows = {
        "train": parts.train.inputs
        if keep is None
        else parts.train.inputs[keep[parts.train.inputs]],
        "validation": parts.validation.inputs,
        "test": parts.test.inputs,
    }
    prepare = fit(rows["train"])
    splits = {name: Split(prepare(r), take(targets, r)) for name, r in rows.items()}
    names = tuple(classes)
    counted = dict(counts or {})
    found = digest(splits, names, counted)
    return Dataset(**splits, classes=names, digest=found, units=parts.units, ids=counted)
