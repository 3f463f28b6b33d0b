"""Web sites that are, or are not, a fraud.

Source: N. Abdelhamid, A. Ayesh and F. Thabtah, "Phishing detection based associative classification data
mining", Expert Systems with Applications 41, 2014; UCI Machine Learning Repository (CC BY 4.0), as
packaged by river. Nothing of it is part of funcdl.
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

_FILE = "river/datasets/phishing.csv.gz"
_SHA256 = "d8a6d44bd9672e852b8a53ad2c64229f81972158a77d981073a98b17c27af7a9"
_CLASSES = ("honest", "phishing")


def phishing(
    *,
    split: Mapping[str, Any] = {"by": "group", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads 1250 web sites with nine traits each, 44 % of them phishing.

    Only 625 rows of traits are distinct (663 with their labels): a random split tests on rows that it has
    trained on. By default equal
    rows stay in one split, and are one piece of evidence.

    Args:
      split: `by`, `test`, `validation` and `seed` of `funcdl.data.split.split`; the groups are the rows
        with equal traits.

    Returns:
      A `Dataset` with inputs float32 `[n, 9]` in [0, 1] and targets int32 `[n]`, where 1 is phishing.

    Raises:
      DataError: if the package `river` is missing or its file another one, or the split does not fit.
    """
    table = _table()
    _, groups = np.unique(table[:, :-1], axis=0, return_inverse=True)
    labels = table[:, -1].astype(np.int32)
    return split_as(split, table[:, :-1], labels, groups=groups.reshape(-1), classes=_CLASSES)


@cache
def _table() -> np.ndarray:
    """The file's numbers `[1250, 9 + 1]`."""
    text = gzip.decompress(packaged_file("river", _FILE, _SHA256))
    return np.loadtxt(io.BytesIO(text), delimiter=",", skiprows=1, dtype=np.float32)
