"""Sensors of a space shuttle: rare states among many normal ones.

Source: "Statlog (Shuttle)", UCI Machine Learning Repository (CC BY 4.0), prepared for the detection of
anomalies by S. Rayana, "ODDS Library", 2016; as packaged by river. Nothing of it is part of funcdl.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from funcdl.data.fitted import fitted
from funcdl.data.packaged import packaged_file
from funcdl.data.standard import standardised, standardiser
from funcdl.types import Dataset

_FILE = "river/datasets/shuttle.csv.gz"
_SHA256 = "1ed4bfa77233d95bff2c8ab2482725d2d800410daedf5919ad80ec6faf60ff59"
_CLASSES = ("normal", "anomaly")


def shuttle(
    *,
    clean: bool = True,
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads 49,097 readings of nine sensors, 7.15 % of them anomalies.

    Args:
      clean: train on normal readings alone, as the detection of anomalies is meant; validation and
        test splits hold both. With false the training split holds both, too.
      split: `by`, `test`, `validation` and `seed` of `funcdl.data.split.split`.

    Returns:
      A `Dataset` with inputs float32 `[n, 9]`, standardised by the training split, and targets int32
      `[n]`, where 1 is an anomaly; by default 27,352 training examples, 9819 of validation and 9819
      of test.

    Raises:
      DataError: if the package `river` is missing or its file another one, or the split does not fit.
    """
    table = _table()
    readings, labels = table[:, :-1], table[:, -1].astype(np.int32)

    def fit(rows: np.ndarray):
        mean, deviation = standardiser(readings[rows])
        return lambda chosen: standardised(readings[chosen], mean, deviation)

    keep = labels == 0 if clean else None
    return fitted(split, fit, labels, n=len(labels), classes=_CLASSES, keep=keep)


@cache
def _table() -> np.ndarray:
    """The file's numbers `[49097, 9 + 1]`."""
    text = gzip.decompress(packaged_file("river", _FILE, _SHA256))
    return np.loadtxt(io.BytesIO(text), delimiter=",", skiprows=1)
