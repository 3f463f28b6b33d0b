"""The 5000 examples of MNIST as small as those of `digits`: other hands, the same ten classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from funcdl.data.mnist_5k import mnist_5k
from funcdl.data.split import split_as
from funcdl.types import Dataset

_BOX = slice(4, 24)  # MNIST's digits fill a box of 20x20; those of `digits` all of theirs
_SIDE = 8
_ORDER = {"by": "order", "test": 1, "validation": 1}


def mnist_8x8(
    *,
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads the images of `mnist_5k` without their border, made smaller by means over areas.

    Args:
      split: as in `funcdl.data.mnist_5k.mnist_5k`; the same split gives the same examples.

    Returns:
      A `Dataset` with inputs float32 `[n, 8, 8, 1]` in [0, 1], which look like those of
      `funcdl.data.digits.digits`, and targets int32 `[n]`.

    Raises:
      DataError: as `mnist_5k` does.
    """
    whole = mnist_5k(split=_ORDER)
    parts = (whole.train, whole.validation, whole.test)
    images = np.concatenate([part.inputs for part in parts])[:, _BOX, _BOX, 0]
    labels = np.concatenate([part.targets for part in parts])
    shares = _shares(images.shape[1], _SIDE)
    small = np.einsum("ai,nij,bj->nab", shares, images, shares, optimize=True)
    return split_as(split, small[..., None].astype(np.float32), labels, classes=whole.classes)


def _shares(n: int, k: int) -> np.ndarray:
    """Which share of each of `k` wide pixels each of `n` narrow ones is, `[k, n]`; rows sum to 1.

    >>> _shares(3, 2).round(2).tolist()
    [[0.67, 0.33, 0.0], [0.0, 0.33, 0.67]]
    """
    ends = np.arange(1, n + 1)
    wide = np.arange(1, k + 1)[:, None] * n / k
    return (np.minimum(ends, wide) - np.maximum(ends - 1, wide - n / k)).clip(0) * k / n
