"""Whether the files that a data set lies in are still those it was made of."""

from __future__ import annotations

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
    splits = (dataset.train, dataset.validation, dataset.test)
    found = {leaf.file for _, leaf in leaves(splits) if isinstance(leaf, Rows)}
    for file in found:
        file.check()
