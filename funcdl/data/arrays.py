"""A data set from arrays that the user has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from funcdl.data.convert import examples, to_inputs, to_targets
from funcdl.data.digest import digest
from funcdl.data.split import split_as
from funcdl.data.tree import leaves
from funcdl.errors import DataError
from funcdl.types import Dataset, PyTree, Split


def arrays(
    inputs: PyTree,
    targets: PyTree,
    *,
    classes: Sequence[str] | int | None = None,
    split: Mapping[str, Any] | None = None,
    groups: Any = None,
) -> Dataset:
    """Makes a data set of arrays, pandas objects or nested lists.

    Dtypes become those of the table in `funcdl.data.convert`.

    Args:
      inputs: array-like `[n, ...]`, or a dict or (named) tuple of such.
      targets: likewise; labels are integers `0..k-1` of shape `[n]`.
      classes: names of the classes, or how many there are; None: as many as the labels show.
      split: `by`, `test`, `validation`, `seed` and `block` of `funcdl.data.split.split`; what is left
        out has that function's default.
      groups: `[n]`, for a split by group; examples of one group stand for one piece of evidence.

    Raises:
      DataError: for values that are not finite, dtypes, shapes or splits that do not fit.

    >>> data = arrays([[0.0], [1.0], [2.0], [3.0], [4.0]], [0.1, 0.2, 0.3, 0.4, 0.5])
    >>> [len(part.targets) for part in (data.train, data.validation, data.test)]
    [3, 1, 1]
    """
    inputs, targets = to_inputs(inputs), to_targets(targets)
    examples(inputs, targets)
    rule = {} if split is None else split
    return split_as(rule, inputs, targets, groups=groups, classes=_names(classes))


def presplit(
    train: tuple[PyTree, PyTree],
    validation: tuple[PyTree, PyTree],
    test: tuple[PyTree, PyTree],
    *,
    classes: Sequence[str] | int | None = None,
) -> Dataset:
    """Makes a data set of three given splits, each a pair `(inputs, targets)` as in `arrays`.

    Raises:
      DataError: as `arrays` does; also if a split is empty, or its examples differ from the
        training split's in shape or dtype.
    """
    given = {"train": train, "validation": validation, "test": test}
    splits = {name: _convert(name, pair) for name, pair in given.items()}
    blank = _blank(splits["train"])
    expected = _element(splits["train"], blank)
    for name, part in splits.items():
        if (found := _element(part, blank)) != expected:
            raise DataError(
                f"an example of the {name} split is {found}, but one of the training "
                f"split is {expected}; all splits must hold the same arrays"
            )
    names = _names(classes)
    return Dataset(**splits, classes=names, digest=digest(splits, names), ids={})


def _convert(name: str, pair: tuple[PyTree, PyTree]) -> Split:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise DataError(
            f"the {name} split must be a pair (inputs, targets), not {type(pair).__name__}"
        )
    try:
        part = Split(to_inputs(pair[0]), to_targets(pair[1]))
        if examples(*part) == 0:
            raise DataError("it is empty; give it examples")
    except DataError as error:
        raise DataError(f"{name} split: {error}") from error
    return part


def _element(part: Split, blank: Collection[str]) -> str:
    """One example's arrays but for the blank ones, as text: what must agree between splits."""
    named = leaves(part.inputs, "inputs") + leaves(part.targets, "targets")
    said = (
        f"{name} {leaf.dtype}{list(leaf.shape[1:])}" for name, leaf in named if name not in blank
    )
    return ", ".join(said)


def _blank(train: Split) -> set[str]:
    """Targets without numbers in training, such as sets of what is not to be ranked."""
    return {name for name, leaf in leaves(train.targets, "targets") if 0 in leaf.shape[1:]}


def _names(classes: Sequence[str] | int | None) -> tuple[str, ...]:
    if isinstance(classes, int):
        return tuple(map(str, range(classes)))
    return tuple(map(str, classes if classes is not None else ()))
