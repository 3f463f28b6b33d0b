"""A table as named columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from funcdl.errors import DataError

KINDS = "a CSV, TSV or Parquet file"
WHOLE = 2**53  # from here on float64 does not hold every whole number


class Columns(NamedTuple):
    """A table.

    name: of the file, for messages.
    values: name -> column `[n]`: float64 with NaN where nothing is, bool, or text (objects) with None.
    lines: `[n]`, the line of each row in its file; None where rows have no lines.
    exact: name -> text `[n]` of those columns of numbers that are not told apart as float64, such as
      identifiers of 19 digits, or with leading zeros.
    strange: name -> what the column holds that is neither a number, text, a date nor true or false.
    """

    name: str
    values: dict[str, np.ndarray]
    lines: np.ndarray | None
    exact: Mapping[str, np.ndarray] = MappingProxyType({})
    strange: Mapping[str, str] = MappingProxyType({})

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.values.values())))

    def where(self, row: int) -> str:
        """What to call a row: its line in the file, or its number from 0."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"

    def only(self, rows: np.ndarray) -> Columns:
        """The table with these rows alone: bool `[n]`."""
        values = {name: column[rows] for name, column in self.values.items()}
        exact = {name: column[rows] for name, column in self.exact.items()}
        lines = None if self.lines is None else self.lines[rows]
        return self._replace(values=values, exact=exact, lines=lines)

    def check(self, name: str, key: str) -> None:
        """Refuses the name of a column that is not there.

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

    def column(self, name: str, key: str) -> np.ndarray:
        """A column by its name, and the key of the config that names it.

        Raises:
          DataError: if there is no such column, or it holds lists, bytes or other things.
        """
        self.check(name, key)
        if name in self.strange:
            raise DataError(
                f"{self.name}: column {name!r} holds values of type {self.strange[name]}; allowed are "
                "numbers, text, dates, and true or false"
            )
        return self.values[name]

    def numbers(self, name: str, key: str) -> np.ndarray:
        """A column of finite numbers, float64 `[n]`.

        Raises:
          DataError: if there is no such column, or not every row of it is a finite number.
        """
        found = self.column(name, key)
        if found.dtype == object:
            given = [np.nan if value is None else number(value) for value in found]
            for row, value in enumerate(given):
                if value is None:
                    raise DataError(
                        f"{self.name}, {self.where(row)}, column {name!r}: {found[row]!r} is no number"
                    )
            found = np.array(given)
        found = found.astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(found))
        if bad.size:
            raise DataError(
                f"{self.name}: column {name!r} has {bad.size} of {found.size} values that are missing or "
                f"not finite; the first is in {self.where(bad[0])}"
            )
        return found

    def in_float32(self, name: str, numbers: np.ndarray) -> np.ndarray:
        """What became of a column's numbers, `[n, ...]`, as float32.

        Raises:
          DataError: with the row, for a number that float32 cannot hold.
        """
        with np.errstate(over="ignore"):
            small = numbers.astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(small).reshape(len(small), -1).all(axis=1))
        if bad.size:
            value = self.values[name][bad[0]]
            raise DataError(
                f"{self.name}, {self.where(int(bad[0]))}, column {name!r}: {value} is too far from the other "
                "numbers for float32; correct or remove it"
            )
        return small

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
        if name in self.exact:
            return self.exact[name]
        return np.array([written(value) for value in found.tolist()], object)


def missing(column: np.ndarray) -> np.ndarray:
    """Where nothing is: bool `[n]`."""
    if column.dtype == object:
        return np.array([value is None for value in column.tolist()], bool)
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def number(text: str) -> float | None:
    """A text as a number, or None if it is none; `1_000` is none, which Python itself would read.

    >>> number("1e3"), number("1_000")
    (1000.0, None)
    """
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def written(value: Any) -> str:
    """A value as a person would write it: 3.0 is 3."""
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE:
        return str(int(value))
    return str(value)
