"""Where two rows of the same run differ, bit by bit, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

_ENDS = ("status", "steps", "diverged_at", "digest", "predictions", "parameters")
_LISTS = ("curve.", "examples.")


class Difference(NamedTuple):
    """One thing that came out otherwise.

    what: "status", "digest", a metric such as "test/accuracy", "curve.<metric>.values",
        "examples.<metric>", ...
    stored, now: both values, in words.
    size: the largest absolute difference of the numbers; NaN where they are none, or not as many.
    """

    what: str
    stored: str
    now: str
    size: float

    def __str__(self) -> str:
        """What differs, in one line."""
        by = "" if np.isnan(self.size) else f"; by {self.size:.3g}"
        return f"{self.what}: stored {self.stored}, now {self.now}{by}"


def differences(stored: pa.Table, row: int, again: pa.Table, other: int) -> list[Difference]:
    """What of a run is not the same in both tables: how it ended, its metrics, curves and examples.

    Args:
        stored: rows as they are in the study's folder.
        row: the run's index in them.
        again: rows that were made again.
        other: the run's index in them.

    Numbers are equal if their bits are: a NaN equals itself, and 0.0 is not -0.0.
    """
    found: list[Difference] = []
    for name in _compared({*stored.column_names, *again.column_names}):
        one, two = _value(stored, name, row), _value(again, name, other)
        difference = _difference(name, one, two)
        if difference is not None:
            found.append(difference)
    status = [one for one in found if one.what == "status"]
    return status or found  # a run that ended otherwise has nothing else in common


def _compared(columns: Iterable[str]) -> list[str]:
    metrics = [name for name in columns if "/" in name]
    return [*_ENDS, *sorted(metrics, key=lambda name: (name.startswith(_LISTS), name))]


def _value(rows: pa.Table, name: str, row: int) -> Any:
    """A scalar, an array, or None."""
    if name not in rows.column_names:
        return None
    value = rows[name][row]
    if not value.is_valid:
        return None
    return value.values.to_numpy() if isinstance(value, pa.ListScalar) else value.as_py()


def _difference(what: str, stored: Any, now: Any) -> Difference | None:
    if isinstance(stored, np.ndarray) and isinstance(now, np.ndarray):
        return _between(what, stored, now)
    if _bits(stored) == _bits(now):
        return None
    size = float("nan")
    if isinstance(stored, float) and isinstance(now, float):
        size = abs(now - stored)
    return Difference(what, _word(stored), _word(now), size)


def _between(what: str, stored: np.ndarray, now: np.ndarray) -> Difference | None:
    if stored.dtype != now.dtype or len(stored) != len(now):
        return Difference(what, f"{len(stored)} values", f"{len(now)}", float("nan"))
    unequal = np.flatnonzero(_words(stored) != _words(now))
    if not len(unequal):
        return None
    at = int(unequal[0])
    sizes = np.abs(now[unequal].astype(np.float64) - stored[unequal].astype(np.float64))
    where = f"{what}, {len(unequal)} of {len(stored)} values, the first at index {at}"
    return Difference(where, _word(stored[at].item()), _word(now[at].item()), float(sizes.max()))


def _words(values: np.ndarray) -> np.ndarray:
    """The bits of numbers, as whole numbers."""
    values = np.ascontiguousarray(values)
    return values.view(f"u{values.dtype.itemsize}")


def _bits(value: Any) -> Any:
    return np.float64(value).tobytes() if isinstance(value, float) else value


def _word(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"{len(value)} values"
    return repr(value) if isinstance(value, float) else str(value)
