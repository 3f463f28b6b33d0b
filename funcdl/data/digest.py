"""What identifies a data set: its bytes, and what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from funcdl.data.mapped import Mapped, mapped
from funcdl.data.rows import blocks
from funcdl.data.tree import leaves
from funcdl.types import Split


def digest(
    splits: Mapping[str, Split], classes: Sequence[str] = (), ids: Mapping[str, int] | None = None
) -> str:
    """Returns the SHA-256 (hex) of all arrays' paths, dtypes, shapes and bytes, and the classes.

    Bytes are taken as little-endian and C-contiguous, so that the machine and the memory layout do
    not matter; no two different data sets share the text that is hashed, since each part is
    preceded by its length.

    Args:
      splits: name -> split of NumPy arrays.
      classes: names of the classes.
      ids: as in `Dataset.ids`.

    >>> one = Split(np.zeros((2, 3), np.float32), np.zeros(2, np.int32))
    >>> other = Split(np.zeros((3, 2), np.float32), np.zeros(2, np.int32))
    >>> digest({"train": one}) == digest({"train": other})
    False
    """
    sha = hashlib.sha256()

    def add(part: bytes) -> None:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)

    add(repr(tuple(classes)).encode())
    if ids:
        add(repr(sorted(ids.items())).encode())
    for split in sorted(splits):
        for name, array in leaves(splits[split], split):
            little = array.dtype.newbyteorder("<")
            add(f"{name} {little.str} {array.shape}".encode())
            sha.update(array.nbytes.to_bytes(8, "little"))
            for _, block in blocks(array):
                sha.update(np.asarray(block, little).tobytes())
    return sha.hexdigest()


def content(array: Any) -> str:
    """The SHA-256 (hex) of an array's bytes as they are, in C order.

    A file is read once in a process for as long as its size and time of modification stay.

    >>> content(np.zeros((2, 3))) == hashlib.sha256(bytes(48)).hexdigest()
    True
    """
    file = mapped(array) if isinstance(array, np.ndarray) else None
    if file is not None and array.nbytes > 0:
        return _content_of_file(file)
    return _content(array)


@lru_cache(maxsize=256)
def _content_of_file(file: Mapped) -> str:
    return _content(file.open())


def _content(array: Any) -> str:
    sha = hashlib.sha256()
    for _, block in blocks(array if array.ndim else array.reshape(1)):
        sha.update(block.tobytes())
    return sha.hexdigest()
