"""The data sets of a study: a few that are kept, and splits that are made again when needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from funcdl.data.digest import digest
from funcdl.data.duplicates import Shared, shared
from funcdl.data.mapped import Mapped
from funcdl.data.tree import leaves
from funcdl.data.unchanged import check_files, files_of, held_bytes
from funcdl.errors import DataError
from funcdl.types import Dataset

HELD_BYTES = 2**28  # of splits that can be made again; 256 MiB hold 400 splits of a small data set
MOST_CLASSES = 1000  # of which the examples are counted


class Facts(NamedTuple):
    """What is known of a data set that need not be at hand.

    classes: names of its classes.
    sizes: training, validation and test examples.
    shapes: path, shape and dtype of each array: what a program depends on.
    units: of its test examples; see `funcdl.types.Dataset`.
    files: where its arrays lie, if not in memory.
    judged: digest of the test split alone; data sets may share it and train on different examples.
    ids: as the data set has them.
    counts: examples of each class in the training, validation and test splits; empty without labels.
    unlabelled: how many training examples there are whose labels are hidden.
    shared: how many examples more than one split has; None where that was not looked for.
    """

    classes: tuple[str, ...]
    sizes: tuple[int, int, int]
    shapes: tuple[tuple[str, tuple[int, ...], str], ...]
    units: np.ndarray | None
    files: frozenset[Mapped]
    judged: str = ""
    counts: tuple[tuple[int, ...], ...] = ()
    ids: Mapping[str, int] = {}
    shared: Shared | None = None
    unlabelled: int = 0


def facts_of(dataset: Dataset) -> Facts:
    """What stays known of a data set."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    sizes = [len(leaves(part)[0][1]) for part in splits.values()]
    hidden = leaves(dataset.unlabelled, "unlabelled") if dataset.unlabelled is not None else []
    return Facts(
        classes=dataset.classes,
        sizes=(sizes[0], sizes[1], sizes[2]),
        shapes=tuple((path, tuple(x.shape), str(x.dtype)) for path, x in leaves(splits) + hidden),
        units=dataset.units,
        files=frozenset(files_of(dataset)),
        judged=digest({"test": dataset.test}, dataset.classes),
        counts=_counts(dataset),
        ids=dataset.ids,
        shared=shared(dataset),
        unlabelled=len(hidden[0][1]) if hidden else 0,
    )


def _counts(dataset: Dataset) -> tuple[tuple[int, ...], ...]:
    """The examples of each class in each split, if targets are labels."""
    labels = [part.targets for part in (dataset.train, dataset.validation, dataset.test)]
    for one in labels:
        if not isinstance(one, np.ndarray) or one.ndim != 1 or one.dtype.kind not in "iu":
            return ()
        if one.min(initial=0) < 0 or one.max(initial=0) >= MOST_CLASSES:
            return ()
    k = max(len(dataset.classes), *(int(one.max(initial=0)) + 1 for one in labels))
    return tuple(tuple(np.bincount(one, minlength=k).tolist()) for one in labels)


class Datasets(Mapping[str, Dataset]):
    """Data sets by digest, in the order in which they were added.

    A study whose repeats have splits of their own has as many data sets as repeats. Of those only
    some are held at a time; the others are made again when they are asked for.

    facts: digest -> what is known of it, held or not.
    """

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        """`held_bytes`: of data sets that can be made again; the last one is held in any case."""
        self.facts: dict[str, Facts] = {}
        self._limit = held_bytes
        self._kept: dict[str, Dataset] = {}
        self._held: OrderedDict[str, Dataset] = OrderedDict()
        self._make: dict[str, Callable[[], Dataset]] = {}

    def add(self, dataset: Dataset, again: Callable[[], Dataset] | None = None) -> None:
        """Takes a data set, unless it is there already.

        Args:
            dataset: what to take.
            again: makes it again; None for a data set that is to be kept.

        Raises:
            DataError: if it is there with other units.
        """
        if dataset.digest not in self.facts:
            self.facts[dataset.digest] = facts_of(dataset)
        known = self.facts[dataset.digest]
        if not _equal(known.units, dataset.units):
            raise DataError(
                "two of the study's data sets hold the same examples, but do not agree on which test "
                "examples belong together; give both the same groups, or the same data.split.block"
            )
        if again is None:
            self._kept.setdefault(dataset.digest, dataset)
        elif dataset.digest not in self._kept:
            self._make.setdefault(dataset.digest, again)
            self._hold(dataset)

    def check_unchanged(self, digest: str) -> None:
        """Makes sure that the files a data set lies in are as they were.

        Raises:
            DataError: if one is gone or has changed.
        """
        check_files(self.facts[digest].files)

    def __getitem__(self, digest: str) -> Dataset:
        """A data set.

        Raises:
            DataError: if what makes it does not make the same again.
        """
        if digest in self._kept:
            return self._kept[digest]
        if digest not in self._held:
            made = self._make[digest]()
            if made.digest != digest:
                raise DataError(
                    "the data are not the same as when the study started: a function or file that "
                    "they come from gave something else the second time"
                )
            self._hold(made)
        self._held.move_to_end(digest)
        return self._held[digest]

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def __len__(self) -> int:
        return len(self.facts)

    def __contains__(self, digest: object) -> bool:
        return digest in self.facts

    def _hold(self, dataset: Dataset) -> None:
        self._held[dataset.digest] = dataset
        self._held.move_to_end(dataset.digest)
        while len(self._held) > 1 and sum(map(held_bytes, self._held.values())) > self._limit:
            self._held.popitem(last=False)


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
