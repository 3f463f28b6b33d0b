"""Arrays in an `.npz` file, as `numpy.savez` writes it; never a pickle."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from funcdl.data.arrays import arrays
from funcdl.data.files.opening import Stamp, stamp
from funcdl.errors import DataError
from funcdl.types import Dataset

LARGEST = 2**33  # bytes of one array; what is larger belongs into a .npy file, which stays on disk
_WHAT = "an .npz file, as numpy.savez(path, inputs=..., targets=...) writes it"


def npz(
    *,
    path: str,
    x: str = "inputs",
    y: str = "targets",
    group: str = "",
    classes: Sequence[str] = (),
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads two arrays of one file.

    Args:
      path: of the file.
      x: name of the array of inputs, `[n, ...]`.
      y: name of the array of targets, `[n]` or `[n, d]`.
      group: name of an array `[n]`: for a split by group, which examples belong together.
      classes: names of the labels 0, 1, ...; none: as many as the labels show.
      split: see `funcdl.data.split.split`.

    Returns:
      A `Dataset`; dtypes as in `funcdl.data.convert`.

    Raises:
      DataError: for a file that is no such archive, an array that is missing, holds Python objects or
        says that it is larger than its file or 8 GiB, and for data that do not fit.
    """
    found = stamp(path, _WHAT)
    groups = _array(found, group) if group else None
    parts = _array(found, x), _array(found, y)
    try:
        return arrays(*parts, classes=list(classes) or None, split=split, groups=groups)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


@lru_cache(maxsize=4)
def _array(file: Stamp, name: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(file.path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if name not in members:
                raise DataError(
                    f"{file.path} has no array {name!r}; it has {', '.join(sorted(members)) or 'none'}: "
                    "set data.x and data.y"
                )
            with archive.open(members[name]) as stream:
                return _read(f"{file.path}: array {name!r}", stream, members[name].file_size)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{os.path.relpath(file.path)} is not {_WHAT}: {error}") from error


def _read(called: str, stream: IO[bytes], size: int) -> np.ndarray:
    """An array, once its header claims nothing impossible; sizes are asked before memory is."""
    try:
        version = npy.read_magic(stream)
        header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, by_columns, dtype = header(stream)
    except (ValueError, KeyError) as error:
        raise DataError(f"{called} is not an array as NumPy writes it: {error}") from error
    if dtype.hasobject:
        raise DataError(
            f"{called} holds Python objects (dtype {dtype}), which only a pickle can store, and a pickle can "
            "run any code: it is refused; save numbers, such as labels by numpy.unique(..., "
            "return_inverse=True)"
        )
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > min(LARGEST, size):
        raise DataError(
            f"{called} says that it is {list(shape)} of {dtype}, {claimed:,} bytes; its file has room for "
            f"{size:,}, and at most {LARGEST:,} are read: save what is larger with numpy.save and open it "
            'from Python with numpy.load(path, mmap_mode="r")'
        )
    content = stream.read(claimed)
    if len(content) != claimed:
        raise DataError(f"{called} ends after {len(content):,} of {claimed:,} bytes; save it again")
    flat = np.frombuffer(content, dtype, count=math.prod(shape))
    found = flat.reshape(shape, order="F" if by_columns else "C")
    found.flags.writeable = False
    return found
