"""A table as named columns: of a CSV or Parquet file, or of a frame of pandas."""

from __future__ import annotations

import csv
import os
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from funcdl.data.files.opening import Stamp, stamp
from funcdl.errors import DataError

MOST_COLUMNS = 20_000
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_WHAT = "a CSV, TSV or Parquet file"


class Columns(NamedTuple):
    """A table.

    name: of the file, for messages.
    values: name -> column `[n]`: float64 with NaN where nothing is, bool, or text (objects) with None.
    lines: `[n]`, the line of each row in its file; None where rows have no lines.
    """

    name: str
    values: dict[str, np.ndarray]
    lines: np.ndarray | None

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.values.values())))

    def where(self, row: int) -> str:
        """What to call a row: its line in the file, or its number from 0."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"

    def column(self, name: str, key: str) -> np.ndarray:
        """A column by its name.

        Args:
          name: of the column.
          key: of the config that names it, for the message.

        Raises:
          DataError: if there is no such column.
        """
        if name not in self.values:
            known = list(self.values)
            more = f" and {len(known) - 30} more" if len(known) > 30 else ""
            raise DataError(
                f"{self.name} has no column {name!r}; it has {', '.join(known[:30])}{more}: set data.{key}"
            )
        return self.values[name]

    def numbers(self, name: str, key: str) -> np.ndarray:
        """A column of finite numbers, float64 `[n]`.

        Raises:
          DataError: if there is no such column, or not every row of it is a finite number.
        """
        found = self.column(name, key)
        if found.dtype == object:
            row = next(
                i for i, value in enumerate(found) if value is None or _number(value) is None
            )
            raise DataError(
                f"{self.name}, {self.where(row)}, column {name!r}: {found[row]!r} is no number"
            )
        found = found.astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(found))
        if bad.size:
            raise DataError(
                f"{self.name}: column {name!r} has {bad.size} of {found.size} values that are missing or "
                f"not finite; the first is in {self.where(bad[0])}"
            )
        return found

    def labels(self, name: str, key: str) -> np.ndarray:
        """A column as text, `[n]`, whole numbers without their `.0`.

        Raises:
          DataError: if there is no such column, or a row of it is empty.
        """
        found = self.column(name, key)
        empty = missing(found)
        if empty.any():
            rows = np.flatnonzero(empty)
            raise DataError(
                f"{self.name}: column {name!r} is empty in {rows.size} rows; the first is "
                f"{self.where(rows[0])}"
            )
        return np.array([_text(value) for value in found.tolist()], object)


def missing(column: np.ndarray) -> np.ndarray:
    """Where nothing is: bool `[n]`."""
    if column.dtype == object:
        return np.array([value is None for value in column.tolist()], bool)
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def read_columns(source: Any, *, raw: bool = False) -> Columns:
    """Reads a table.

    Args:
      source: path of a file that ends in .csv, .tsv or .parquet; or, from Python, a frame of pandas.
      raw: leave the fields of a text file as they are, be they numbers or words such as "none".

    Raises:
      DataError: for another kind of file, and for one that is damaged: with its line.
    """
    if not isinstance(source, str | os.PathLike):
        return _of_frame(source)
    file = stamp(source, _WHAT)
    ending = os.path.splitext(file.path)[1].lower()
    readers = {".csv": ",", ".tsv": "\t", ".parquet": None}
    if ending not in readers:
        raise DataError(f"{source} ends in {ending or 'nothing'}; allowed are {', '.join(readers)}")
    if ending == ".parquet":
        return _of_parquet(file)._replace(name=str(source))
    found = read_text(file, readers[ending] or ",", raw=raw)
    return found._replace(name=str(source))


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
    if not rows:
        raise DataError(f"{file.path} has names of columns and no row")
    columns = zip(*rows, strict=True)
    read = _raw if raw else _column
    values = {name: read(column) for name, column in zip(header, columns, strict=True)}
    return Columns(file.path, values, np.array(lines))


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


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _column(fields: tuple[str, ...]) -> np.ndarray:
    """Numbers if every field that is not empty is one, or else text."""
    told = [field.strip() for field in fields]
    cleaned = [None if field.lower() in _MISSING else field for field in told]
    try:
        return np.array([np.nan if field is None else float(field) for field in cleaned])
    except ValueError:
        return np.array(cleaned, object)


def _raw(fields: tuple[str, ...]) -> np.ndarray:
    return np.array([field if field.strip() else None for field in fields], object)


@lru_cache(maxsize=4)
def _of_parquet(file: Stamp) -> Columns:
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        with open(file.path, "rb") as stream:
            return _of_frame(parquet.read_table(stream).to_pandas(), file.path)
    except (ArrowException, OSError) as error:
        raise DataError(f"{file.path} is not a Parquet file that can be read: {error}") from error


def _of_frame(frame: Any, name: str = "the frame") -> Columns:
    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise DataError(
            f"data.path is a {type(frame).__name__}; allowed are the path of {_WHAT}, or a frame of pandas"
        )
    if not len(frame) or not len(frame.columns):
        raise DataError(
            f"{name} has {len(frame)} rows and {len(frame.columns)} columns; it is empty"
        )
    if len(set(map(str, frame.columns))) < len(frame.columns):
        raise DataError(f"{name} has two columns of one name")
    values = {str(column): _of_pandas(frame[column]) for column in frame.columns}
    return Columns(name, values, None)


def _of_pandas(column: Any) -> np.ndarray:
    kind = getattr(column.dtype, "kind", "O")
    empty = column.isna().to_numpy()
    if kind == "b" and not empty.any():
        return column.to_numpy(bool)
    if kind in "biuf":
        return column.to_numpy(np.float64, na_value=np.nan)
    texts = [None if none else _text(value) for value, none in zip(column, empty, strict=True)]
    return np.array(texts, object)


def _text(value: Any) -> str:
    """A value as a person would write it: 3.0 is 3."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
