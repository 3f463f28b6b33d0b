"""A column of moments: numbers, or dates with or without a time and a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np

from funcdl.data.files.columns import Columns
from funcdl.errors import DataError

_MONTH = re.compile(r"\d{4}-\d{2}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def moments(found: Columns, name: str) -> np.ndarray:
    """Reads a column of moments, `[n]`: float64, or dates in microseconds; those with a zone as UTC.

    Args:
      found: the table.
      name: of the column: numbers, of which those like 20240131 are days; or dates in the manner of ISO
        8601: 2024-01, 2024-01-31, 2024-01-31T12:00, 2024-01-31T12:00+02:00.

    Raises:
      DataError: with the row, for what is missing or no moment, and where some rows have a time zone and
        others none.
    """
    if found.column(name, "time").dtype != object:
        numbers = found.numbers(name, "time")
        days = _days(numbers)
        return numbers if days is None else days
    texts = found.labels(name, "time")
    read: list[datetime] = []
    for row, text in enumerate(texts):
        moment = _read(text)
        if moment is None:
            raise DataError(
                f"{found.name}, {found.where(row)}, column {name!r}: {text!r} is no moment; allowed "
                "are numbers, and dates as in 2024-01-31 or 2024-01-31T12:00"
            )
        read.append(moment)
        if (moment.tzinfo is None) != (read[0].tzinfo is None):
            mine, other = ("no", "one") if moment.tzinfo is None else ("a", "none")
            raise DataError(
                f"{found.name}, {found.where(row)}, column {name!r}: {text!r} has {mine} time zone, but "
                f"{texts[0]!r} in {found.where(0)} has {other}; write all with one, such as +00:00, or all "
                "without"
            )
    if read[0].tzinfo is not None:
        read = [moment.astimezone(UTC).replace(tzinfo=None) for moment in read]
    return np.array(read, "datetime64[us]")


def _days(numbers: np.ndarray) -> np.ndarray | None:
    """Numbers such as 20240131 as days, if all are such: the step to 20240201 is one day, not 70."""
    if not ((numbers >= 19000101) & (numbers <= 21001231) & (numbers == np.round(numbers))).all():
        return None
    year, month, day = (numbers // 10000, numbers // 100 % 100, numbers % 100)
    if not ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
        return None
    first = (year - 1970).astype(int).astype("datetime64[Y]").astype("datetime64[M]") + (
        month - 1
    ).astype(int)
    found = first.astype("datetime64[D]") + (day - 1).astype(int)
    same_month = (found.astype("datetime64[M]") == first).all()  # there is no 30th of February
    return found.astype("datetime64[us]") if same_month else None


def _read(text: str) -> datetime | None:
    """A date as it is written; words such as "today", which NumPy takes, are none."""
    written = f"{text}-01" if _MONTH.fullmatch(text) else text
    if not _DAY.match(written):
        return None
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def check_even(found: Columns, rows: np.ndarray, times: np.ndarray) -> None:
    """Refuses a series from whose even steps some are missing.

    A window would take the moment after the gap for the next one. Series whose moments are not evenly
    apart anyway, such as days of trading or months, pass: even are those with one distance in more than
    nine of ten steps.

    Args:
      found: the table.
      rows: `[t]`, where the moments stand in it.
      times: `[t]`, rising.

    Raises:
      DataError: with the first row after a gap.
    """
    steps = np.diff(times)
    if steps.size < 2:
        return
    kinds, counts = np.unique(steps, return_counts=True)
    usual = kinds[np.argmax(counts)]
    gaps = np.flatnonzero(steps > 1.5 * usual)
    if gaps.size and counts.max() > 0.9 * steps.size:
        row = int(rows[gaps[0] + 1])
        before, after = times[gaps[0]].item(), times[gaps[0] + 1].item()
        raise DataError(
            f"{found.name}, {found.where(row)}: from {before} to {after} is more than one step, as are "
            f"{gaps.size - 1} others of {steps.size}, while most steps are {usual.item()}; fill in what is "
            "missing, or say gaps: join to take the rows as they follow each other"
        )
