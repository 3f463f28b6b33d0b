"""From what a study says about its data to a data set."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from funcdl.data import DATASETS
from funcdl.data.arrays import arrays, presplit
from funcdl.data.convert import examples
from funcdl.data.digest import digest
from funcdl.data.labelled import with_labelled, with_unlabelled
from funcdl.data.only import with_only
from funcdl.errors import DataError, Problem, StudyError
from funcdl.types import Dataset


def make_data(spec: Any) -> Dataset:
    """Makes the data set of a study's `data` section.

    Args:
      spec: one of the following, or a mapping with it as `name` and the arguments beside it:
        - a name in `DATASETS`;
        - a function that returns a `Dataset`;
        - a pair `(inputs, targets)`: arguments of `arrays` (`split`, `classes`, `groups`);
        - a mapping `{"train": (inputs, targets), "validation": ..., "test": ...}`: argument
          `classes`;
        - a `Dataset`, taken as given and checked like the splits above.
        Two more arguments: `only`, the classes that are left (`funcdl.data.only`), and `labelled`,
        how many training examples keep their labels (`funcdl.data.labelled`); which ones follows
        from the split's seed.

    Raises:
      DataError: if the data do not fit.
      StudyError: if the name is unknown.

    >>> make_data("digits").train.inputs.shape
    (1079, 8, 8, 1)
    """
    what, arguments = _parts(spec)
    only, labelled = arguments.pop("only", None), arguments.pop("labelled", None)
    dataset = _made(what, arguments)
    if only is not None:
        dataset = with_only(dataset, only)
    if labelled is None:
        return dataset
    split = spec.get("split")
    return with_labelled(dataset, labelled, split.get("seed", 0) if split else 0)


def _made(what: Any, arguments: dict[str, Any]) -> Dataset:
    """The data set with all its labels."""
    if isinstance(what, str):
        return _named(what)(**arguments)
    if isinstance(what, Dataset):
        parts = (what.train, what.validation, what.test)
        found = presplit(*parts, **{"classes": what.classes, **_without_split(arguments)})
        found = with_unlabelled(_with_ids(found, what.ids), what.unlabelled)
        return _with_units(found, what.units)
    if isinstance(what, Mapping):
        if set(what) != {"train", "validation", "test"}:
            raise DataError(
                f"data has the splits {', '.join(map(str, what))}; "
                "needed are train, validation and test"
            )
        return presplit(**what, **_without_split(arguments))
    if isinstance(what, tuple | list) and len(what) == 2:
        return arrays(*what, **arguments)
    if callable(what):
        return _called(what, arguments)
    raise DataError(
        f"data is a {type(what).__name__}; allowed are a name ({', '.join(DATASETS)}), a pair "
        "(inputs, targets), a mapping of the splits train, validation and test to such pairs, "
        "a funcdl Dataset, or a function that returns one"
    )


def _parts(spec: Any) -> tuple[Any, dict[str, Any]]:
    if isinstance(spec, Mapping) and "name" in spec:
        return spec["name"], {key: value for key, value in spec.items() if key != "name"}
    return spec, {}


def _named(name: str) -> Any:
    if name not in DATASETS:
        known = ", ".join(DATASETS)
        raise StudyError([Problem("", "data", f"no data set is named {name!r}; allowed {known}")])
    return pkgutil.resolve_name(DATASETS[name])


def _called(function: Any, arguments: dict[str, Any]) -> Dataset:
    found = function(**arguments)
    if not isinstance(found, Dataset):
        raise DataError(
            f"the data function {getattr(function, '__name__', function)} returned a "
            f"{type(found).__name__}; it must return a Dataset, such as that of "
            "funcdl.data.arrays.arrays(inputs, targets)"
        )
    return _with_units(found, found.units)


def _with_ids(dataset: Dataset, ids: Mapping[str, int]) -> Dataset:
    """The data set with what its integer inputs count, which decides the size of models."""
    splits = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    return dataset._replace(digest=digest(splits, dataset.classes, ids), ids=dict(ids))


def _with_units(dataset: Dataset, units: Any) -> Dataset:
    """The data set with its test examples' units, once they can be what they claim to be."""
    if units is None:
        return dataset
    found, n = np.asarray(units), examples(dataset.test.inputs, dataset.test.targets)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise DataError(
            f"the units of the test examples are {found.dtype}{list(found.shape)}; allowed are "
            f"integers [{n}], one for each example, such as "
            "numpy.unique(groups, return_inverse=True)[1]"
        )
    _, numbers = np.unique(found, return_inverse=True)
    return dataset._replace(units=numbers.astype(np.int32))


def _without_split(arguments: dict[str, Any]) -> dict[str, Any]:
    """A split asked of data that are split already would be ignored: say so."""
    if arguments.get("split"):
        raise DataError(
            "data.split is given, but these data come split; remove it, or pass (inputs, targets)"
        )
    return {key: value for key, value in arguments.items() if key != "split"}
