"""A frame of pandas, or a Parquet file, as named columns."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from funcdl.data.files.columns import KINDS, WHOLE, Columns, written
from funcdl.data.files.opening import Stamp
from funcdl.errors import DataError

_NUMBER = (int, float, Decimal, np.integer, np.floating)


@lru_cache(maxsize=4)
def of_parquet(file: Stamp) -> Columns:
    """Reads a Parquet file.

    Raises:
      DataError: if it is none, is damaged, or has no row.
    """
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        with open(file.path, "rb") as stream:
            found = parquet.read_table(stream)
            # As Python's own integers: with missing values pandas would make them float64.
            return of_frame(found.to_pandas(integer_object_nulls=True), file.path)
    except (ArrowException, OSError) as error:
        raise DataError(f"{file.path} is not a Parquet file that can be read: {error}") from error


def of_frame(frame: Any, name: str = "the frame") -> Columns:
    """Takes a frame of pandas; rows have no lines.

    Args:
      frame: of at least one row and one column.
      name: what to call it in messages.

    Raises:
      DataError: for what is no frame, is empty, or has two columns of one name.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise DataError(
            f"data.path is a {type(frame).__name__}; allowed are the path of {KINDS}, or a frame of pandas"
        )
    if not len(frame) or not len(frame.columns):
        raise DataError(
            f"{name} has {len(frame)} rows and {len(frame.columns)} columns; it is empty"
        )
    if len(set(map(str, frame.columns))) < len(frame.columns):
        raise DataError(f"{name} has two columns of one name")
    values, exact, strange = {}, {}, {}
    for label in frame.columns:
        column, told = frame[label], str(label)
        values[told] = found = _of_pandas(column)
        if found.dtype == object and (kind := _strange(column)):
            strange[told] = kind
        elif _loses(found, column):
            exact[told] = np.array([str(value) for value in column], object)
    return Columns(name, values, None, exact, strange)


def _of_pandas(column: Any) -> np.ndarray:
    kind = getattr(column.dtype, "kind", "O")
    empty = column.isna().to_numpy()
    if kind == "b" and not empty.any():
        return column.to_numpy(bool)
    if kind in "biuf":
        return column.to_numpy(np.float64, na_value=np.nan)
    given = list(zip(column, empty, strict=True))
    if column.dtype.name == "object" and all(none or _is_number(value) for value, none in given):
        return np.array([np.nan if none else float(value) for value, none in given])
    return np.array([None if none else written(value) for value, none in given], object)


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBER) and not isinstance(value, bool)


def _loses(found: np.ndarray, column: Any) -> bool:
    """Whether whole numbers stand there that float64 does not tell apart."""
    if found.dtype.kind != "f" or not (np.abs(found) >= WHOLE).any():
        return False
    return all(isinstance(value, int | np.integer) for value in column[~column.isna()])


def _strange(column: Any) -> str:
    """The type of the first value that is neither text, a number, a date nor true or false; or nothing."""
    allowed = (str, bool, np.bool_, date, time, *_NUMBER)
    told = (value for value in column[~column.isna()] if not isinstance(value, allowed))
    return type(found).__name__ if (found := next(told, None)) is not None else ""
