"""What of a data set lies in memory and what in files, and whether the files are as they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from funcdl.data.mapped import Mapped
from funcdl.data.rows import Rows
from funcdl.data.tree import leaves
from funcdl.types import Dataset


def check_unchanged(dataset: Dataset) -> None:
    """Asks for the size and the time of modification of each file; reads nothing.

    Whoever stores what came of a data set asks before: what was made of other data than those of
    its digest must not be stored under it.

    Raises:
        DataError: if a file is gone or has changed.
    """
    check_files(files_of(dataset))


def check_files(files: Iterable[Mapped]) -> None:
    """As `check_unchanged`, for the files of a data set that is not at hand."""
    for file in files:
        file.check()


def files_of(dataset: Dataset) -> set[Mapped]:
    """Where the arrays lie that are not in memory."""
    return {leaf.file for leaf in _leaves(dataset) if isinstance(leaf, Rows)}


def held_bytes(dataset: Dataset) -> int:
    """The memory that a data set takes; of what lies in files, that of its row numbers."""
    return sum(_held(leaf) for leaf in _leaves(dataset))


def _held(leaf: Any) -> int:
    if not isinstance(leaf, Rows):
        return leaf.nbytes
    return 0 if leaf.index is None else leaf.index.nbytes


def _leaves(dataset: Dataset) -> list[Any]:
    splits = (dataset.train, dataset.validation, dataset.test)
    hidden = () if dataset.unlabelled is None else dataset.unlabelled
    return [leaf for _, leaf in leaves((splits, hidden))]
