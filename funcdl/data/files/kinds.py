"""Columns of text that were hardly meant as text: a slip of the pen, or a name of each row."""

from __future__ import annotations

import numpy as np

from funcdl.data.files.columns import Columns, number
from funcdl.errors import DataError

_FEW = 20  # rows; among fewer, that no text is there twice means little


def check_kind(found: Columns, name: str, otherwise: str) -> None:
    """Refuses a column of text most of whose rows are numbers.

    One `12x` among a thousand numbers would make them a thousand categories, without a word.

    Args:
      found: the table.
      name: of the column; one of numbers passes.
      otherwise: what to write in the config if the column is meant so.

    Raises:
      DataError: with the first row that is no number.
    """
    column = found.values[name]
    if column.dtype != object:
        return
    told = np.array([value is not None for value in column])
    numbers = np.array([value is not None and number(value) is not None for value in column])
    other = np.flatnonzero(told & ~numbers)
    if other.size and numbers.sum() >= other.size:
        first = int(other[0])
        raise DataError(
            f"{found.name}, {found.where(first)}, column {name!r}: {column[first]!r} is no number, but "
            f"{numbers.sum()} of {told.sum()} rows are; correct it, or leave the field empty; if the "
            f"column is meant as text, say {otherwise}"
        )


def check_recurs(found: Columns, name: str) -> None:
    """Refuses a column of text that is another in more than nine of ten rows.

    It would be a category for each row, from which nothing can be learnt for another one.

    Args:
      found: the table.
      name: of the column; one of numbers passes.

    Raises:
      DataError: with the number of different texts.
    """
    column = found.values[name]
    if column.dtype != object:
        return
    told = [value for value in column if value is not None]
    kinds = len(set(told))
    if len(told) > _FEW and kinds > 0.9 * len(told):
        raise DataError(
            f"{found.name}: column {name!r} has {kinds} different texts in {len(told)} rows, such as "
            f"{told[0]!r}, so that it says nothing of other rows; put it under ignore, write it as numbers "
            f"if it is one, or say categorical: [{name}]"
        )
