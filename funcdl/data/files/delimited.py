"""A CSV or TSV file as named columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from funcdl.data.files.columns import WHOLE, Columns, number
from funcdl.data.files.opening import Stamp
from funcdl.errors import DataError

MOST_COLUMNS = 20_000
LONGEST = 2**24  # characters of a field
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_PADDED = re.compile(r"\s*0\d+\s*")
_DIGITS = re.compile(r"\s*[+-]?\d+\s*")


@lru_cache(maxsize=4)
def read_text(
    file: Stamp, mark: str, names: tuple[str, ...] = (), raw: bool = False, quoted: bool = True
) -> Columns:
    """Reads a CSV file: UTF-8, one row of names, quotes as in RFC 4180.

    An empty field is missing; unless `raw`, so are NA, N/A, NaN, null, none and ?.

    Args:
      file: which.
      mark: what stands between fields.
      names: of the columns, where the file does not begin with them.
      raw: leave fields as they are.
      quoted: whether a field in quotes may hold the mark and ends of lines.
    """
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    rows, lines = [], []
    limit = csv.field_size_limit(LONGEST)
    try:
        with open(file.path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=mark, quoting=quoting, strict=True)
            header = list(names) or _header(file.path, next(reader, []), mark)
            before = reader.line_num
            for row in reader:
                if row:
                    if len(row) != len(header):
                        raise DataError(_ragged(file.path, before + 1, row, header, mark))
                    rows.append(row)
                    lines.append(before + 1)
                before = reader.line_num
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(file.path)) from error
    except csv.Error as error:
        raise DataError(
            f"{file.path}, line {lines[-1] + 1 if lines else 1} or after it: {error}; a quote may not be "
            "closed"
        ) from error
    finally:
        csv.field_size_limit(limit)
    if not rows:
        raise DataError(f"{file.path} has names of columns and no row")
    fields = dict(zip(header, zip(*rows, strict=True), strict=True))
    read = _raw if raw else _column
    values = {name: read(column) for name, column in fields.items()}
    exact = {
        name: np.array([field.strip() for field in fields[name]], object)
        for name, column in values.items()
        if column.dtype.kind == "f" and _loses(column, fields[name])
    }
    return Columns(file.path, values, np.array(lines), exact)


def _header(path: str, given: list[str], mark: str) -> list[str]:
    names = [name.strip() for name in given]
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names)} columns; at most {MOST_COLUMNS} are read: save the numbers as .npz"
        )
    empty = [i + 1 for i, name in enumerate(names) if not name]
    if empty or not names:
        raise DataError(f"{path}, line 1: column {empty[0] if empty else 1} has no name")
    twice = (
        [name for i, name in enumerate(names) if name in set(names[:i])]
        if len(set(names)) < len(names)
        else []
    )
    if twice:
        raise DataError(f"{path}, line 1: two columns are named {twice[0]!r}")
    if len(names) == 1:
        other = next((m for m in (";", "\t", ",", "|") if m != mark and m in names[0]), None)
        if other:
            raise DataError(
                f"{path}, line 1: one column {names[0][:60]!r}; fields are separated by {mark!r} here, and "
                f"this line has {other!r}: save it with {mark!r}"
                + (", or name it .tsv" if other == "\t" else "")
            )
    return names


def _ragged(path: str, line: int, row: list[str], header: list[str], mark: str) -> str:
    return (
        f"{path}, line {line}: {len(row)} fields, where there are {len(header)} columns; a field that holds "
        f"{mark!r} must be in quotes"
    )


def _not_utf8(path: str) -> str:
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{path}, line {number}: byte {line[error.start]:#04x} at place {error.start + 1} is not "
                    "UTF-8; save the file as UTF-8"
                )
    return f"{path} is not UTF-8; save the file as UTF-8"


def _column(fields: tuple[str, ...]) -> np.ndarray:
    """Numbers if every field that is not empty is one; true and false; or else text."""
    told = [field.strip() for field in fields]
    cleaned = [None if field.lower() in _MISSING else field for field in told]
    numbers = [np.nan if field is None else number(field) for field in cleaned]
    if None not in numbers:
        return np.array(numbers, np.float64)
    words = {None if field is None else field.lower() for field in cleaned}
    if words <= {"true", "false"}:
        return np.array([field == "true" for field in map(str.lower, told)])
    if words <= {"true", "false", None}:
        cleaned = [None if field is None else field.capitalize() for field in cleaned]
    return np.array(cleaned, object)


def _loses(column: np.ndarray, fields: Sequence[str]) -> bool:
    """Whether whole numbers stand there that float64 does not tell apart, or zeros before them."""
    large = np.flatnonzero(np.abs(column) >= WHOLE)
    if large.size:
        return all(_DIGITS.fullmatch(fields[row]) for row in large.tolist())
    return any(_PADDED.fullmatch(field) for field in fields)


def _raw(fields: tuple[str, ...]) -> np.ndarray:
    return np.array([field if field.strip() else None for field in fields], object)
