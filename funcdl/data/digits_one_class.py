"""One handwritten digit against all others: what is normal is learnt from that digit alone.

Source: as `funcdl.data.digits`; the protocol is that of L. Ruff et al., "Deep one-class classification",
ICML 2018, who took MNIST.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from funcdl.data.digits import images
from funcdl.data.fitted import fitted
from funcdl.errors import DataError
from funcdl.types import Dataset

_CLASSES = ("normal", "anomaly")


def digits_one_class(
    *,
    normal: int = 0,
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads 1797 grey images of digits; those of one digit are normal, all others are anomalies.

    The training split holds normal images alone; in validation and test splits about nine of ten images
    are anomalies.

    Args:
      normal: the digit, 0 to 9.
      split: `by`, `test`, `validation` and `seed` of `funcdl.data.split.split`, stratified by normal and
        anomaly.

    Returns:
      A `Dataset` with inputs float32 `[n, 8, 8, 1]` in [0, 1] and targets int32 `[n]`, where 1 is an
      anomaly; by default 107 training, 359 validation and 359 test examples.

    Raises:
      DataError: if scikit-learn's file is missing or another one, for another digit, or if the split
        does not fit.
    """
    if isinstance(normal, bool) or normal not in range(10):
        raise DataError(f"data.normal is {normal!r}; allowed are the digits 0 to 9")
    pixels, digits = images()
    labels = (digits != normal).astype(np.int32)
    return fitted(
        split,
        lambda rows: lambda chosen: pixels[chosen],
        labels,
        n=len(labels),
        classes=_CLASSES,
        keep=labels == 0,
    )
