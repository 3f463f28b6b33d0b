"""What identifies a data set: its bytes, and what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from funcdl.data.tree import leaves
from funcdl.types import Split


def digest(splits: Mapping[str, Split], classes: Sequence[str] = ()) -> str:
    """Returns the SHA-256 (hex) of all arrays' paths, dtypes, shapes and bytes, and the classes.

    Bytes are taken as little-endian and C-contiguous, so that the machine and the memory layout do
    not matter; no two different data sets share the text that is hashed, since each part is
    preceded by its length.

    Args:
      splits: name -> split of NumPy arrays.
      classes: names of the classes.

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
    for split in sorted(splits):
        for name, array in leaves(splits[split], split):
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            add(f"{name} {little.dtype.str} {array.shape}".encode())
            add(little.tobytes())
    return sha.hexdigest()
