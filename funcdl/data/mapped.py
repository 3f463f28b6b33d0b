"""Arrays that lie in a file: found again by another process, and known when they have changed.

`numpy.load(path, mmap_mode="r")` and `numpy.memmap` give arrays whose pages are read when they are
touched. Such an array travels to a worker as the place where it lies, never as its contents.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from funcdl.errors import DataError


class Mapped(NamedTuple):
    """Where an array lies, and what its file was like when it was looked at.

    path: absolute.
    offset: of its first element, in bytes from the beginning of the file.
    dtype: as NumPy writes it, such as `<f4`.
    shape, strides: as NumPy has them; strides in bytes, so that a view is as good as the whole.
    file_bytes, modified: size of the file in bytes, and its time of modification in nanoseconds.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    file_bytes: int
    modified: int

    def open(self) -> np.ndarray:
        """The array, read-only; its pages are read when they are touched.

        Raises:
            DataError: if the file is gone or has changed.
        """
        try:
            with open(self.path, "rb") as file:
                self._compare(os.fstat(file.fileno()))
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}; put it back") from error
        return np.ndarray(self.shape, np.dtype(self.dtype), pages, self.offset, self.strides)

    def check(self) -> None:
        """Makes sure that the file is still what it was; costs one question to the file system.

        Raises:
            DataError: if it is gone, or its size or time of modification differs.
        """
        try:
            self._compare(os.stat(self.path))
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}; put it back") from error

    def _compare(self, found: os.stat_result) -> None:
        if (found.st_size, found.st_mtime_ns) != (self.file_bytes, self.modified):
            raise DataError(
                f"{self.path} has changed while the study was using it: it was {self.file_bytes} "
                f"bytes, modified at {self.modified} ns, and is {found.st_size} bytes, modified at "
                f"{found.st_mtime_ns} ns. Other data are other runs: start the study again, which "
                "keeps all runs on the data as they were"
            )


def mapped(array: np.ndarray) -> Mapped | None:
    """Where an array lies, if it is in a file that others can open; None for one in memory.

    Views count, whatever their strides. Copies on write (`mmap_mode="c"`) do not: what was written
    to them is in no file.
    """
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap):
        return None
    path = root.filename
    if path is None or root.mode == "c" or array.dtype.hasobject or not os.path.isfile(path):
        return None
    if root.mode != "r":
        root.flush()  # or a later write-back would look like a change
    found = os.stat(path)
    return Mapped(
        path=str(Path(path).resolve()),
        offset=root.offset + _address(array) - _address(root),
        dtype=array.dtype.str,
        shape=array.shape,
        strides=array.strides,
        file_bytes=found.st_size,
        modified=found.st_mtime_ns,
    )


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
