"""Texts with targets, as sequences of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from funcdl.data.fitted import fitted
from funcdl.data.vocabulary import ids, tokens, vocabulary
from funcdl.errors import DataError
from funcdl.types import Dataset


def tokenised(
    texts: Sequence[str],
    targets: np.ndarray,
    *,
    unit: Literal["words", "characters"],
    size: int,
    length: int,
    split: Mapping[str, Any],
    classes: Sequence[str] = (),
) -> Dataset:
    """Splits texts, learns the vocabulary of the training split, and cuts all texts to one length.

    Args:
      texts: `[n]`.
      targets: `[n]`.
      unit: what a token is: words and marks, or characters; both in lower case.
      size: ids in the vocabulary: 0 is padding, 1 an unknown token, then the most frequent tokens.
      length: tokens of a text; longer ones are cut, shorter ones end in padding.
      split: see `funcdl.data.split.split`; by group, equal texts stay together.
      classes: names of the labels.

    Returns:
      A `Dataset` with inputs int32 `[n, length]`.

    Raises:
      DataError: for sizes that cannot be, and as `split` does.
    """
    for name, value, least in (("size", size, 3), ("length", length, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise DataError(f"data.{name} is {value!r}; allowed are integers from {least}")
    if unit not in ("words", "characters"):
        raise DataError(f"data.unit is {unit!r}; allowed are words, characters")
    cut = [tokens(one, unit) for one in texts]
    _, groups = np.unique(np.array(texts), return_inverse=True)

    def fit(rows: np.ndarray):
        known = vocabulary((cut[row] for row in rows), size)
        return lambda chosen: ids([cut[row] for row in chosen], known, length)

    return fitted(
        split,
        fit,
        targets,
        n=len(texts),
        groups=groups.reshape(-1),
        classes=classes,
        counts={"tokens": size},
    )
