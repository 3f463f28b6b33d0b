"""Handwritten digits, 8x8: the data set that needs no download.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998 (CC BY 4.0); the test part, as packaged by scikit-learn.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from funcdl.data.packaged import packaged_file
from funcdl.data.split import split_as
from funcdl.types import Dataset

_FILE = "sklearn/datasets/data/digits.csv.gz"
_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
_BRIGHTEST = 16  # pixels count the set bits of 4x4 blocks
_CLASSES = tuple("0123456789")


def digits(
    *,
    # A literal, so that the default can be read without importing; it is never written to.
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads 1797 grey images of ten digits, from 13 writers.

    Args:
      split: `by`, `test`, `validation` and `seed` of `funcdl.data.split.split`; what is left out
        has that function's default.

    Returns:
      A `Dataset` with inputs float32 `[n, 8, 8, 1]` in [0, 1] and targets int32 `[n]`; by default
      1079 training, 359 validation and 359 test examples.

    Raises:
      DataError: if scikit-learn's file is missing or another one, or the split does not fit.
    """
    return split_as(split, *images(), classes=_CLASSES)


def images() -> tuple[np.ndarray, np.ndarray]:
    """All images, float32 `[1797, 8, 8, 1]` in [0, 1], and their digits, int32 `[1797]`.

    Raises:
      DataError: if scikit-learn's file is missing or another one.
    """
    table = _table()
    pixels = (table[:, :-1] / np.float32(_BRIGHTEST)).astype(np.float32)
    return pixels.reshape(-1, 8, 8, 1), table[:, -1]


@cache
def _table() -> np.ndarray:
    """The file's numbers `[1797, 64 + 1]`; a study over many splits reads it once."""
    text = gzip.decompress(packaged_file("scikit-learn", _FILE, _SHA256))
    return np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.int32)
