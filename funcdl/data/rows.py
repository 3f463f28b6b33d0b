"""Examples that stay in their file until they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from funcdl.data.mapped import Mapped

BLOCK_BYTES = 2**26  # 64 MiB: what is read at once where everything is read in turn


class Rows:
    """Rows of an array in a file, as training sees them; looks like an array `[n, ...]`.

    Indexing reads and converts. `select` chooses rows and reads nothing, so that the splits of a
    data set larger than memory are as cheap as their row numbers. Pickled, it is the place of the
    file and the row numbers; unpickling opens the file, and refuses one that has changed.

    file: where the array lies.
    kind: what is made of its numbers; a key of `KINDS`.
    index: row numbers of the array `[n]`; None for all in order.
    """

    def __init__(self, file: Mapped, kind: str, index: np.ndarray | None = None):
        """Opens the file.

        Raises:
            DataError: if it is gone or has changed.
        """
        self.file, self.kind, self.index = file, kind, index
        self._array = file.open()
        n = file.shape[0] if index is None else len(index)
        self.shape = (n, *file.shape[1:])
        self.dtype = np.dtype(np.int32 if kind == "int32" else np.float32)
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.nbytes = self.size * self.dtype.itemsize

    def select(self, rows: Any) -> Rows:
        """Some of the rows, by numbers, a mask or a slice; nothing is read."""
        index = np.arange(len(self), dtype=_narrow(self.file.shape[0]))
        index = index if self.index is None else self.index
        return Rows(self.file, self.kind, index[rows])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """These rows in memory, as float32 or int32."""
        where = rows if self.index is None else self.index[rows]
        return KINDS[self.kind](self._array[where])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows in memory."""
        return np.asarray(self[:], dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (self.file, self.kind, self.index)

    def __repr__(self) -> str:
        return f"Rows({self.dtype}{list(self.shape)} in {self.file.path})"


def to_pixels(array: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 255 as float32 in [0, 1]."""
    return array.astype(np.float32) / np.float32(255)


def to_float32(array: np.ndarray) -> np.ndarray:
    """A copy as float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def to_int32(array: np.ndarray) -> np.ndarray:
    """A copy as int32."""
    return array.astype(np.int32)


KINDS = {"pixels": to_pixels, "float32": to_float32, "int32": to_int32}


def blocks(array: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Yields `(first row, rows)` of an array or of `Rows`, about `BLOCK_BYTES` at a time.

    >>> [(start, len(rows)) for start, rows in blocks(np.zeros((5, 2**24), np.uint8))]
    [(0, 4), (4, 1)]
    """
    of_row = array.nbytes // max(1, len(array))
    rows = max(1, BLOCK_BYTES // max(1, of_row))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]


def _narrow(n: int) -> type:
    return np.int32 if n < 2**31 else np.int64
