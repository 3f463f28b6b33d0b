"""Rolling origins: the same forecaster, trained again and again as time goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from funcdl.errors import DataError


class Rows(NamedTuple):
    """Which examples, numbered in the order of time, each split has: int64 `[n_split]`, rising."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def rolling(n: int, test: int, validation: int, origins: int, origin: int) -> Rows:
    """The splits of one origin among several, in the order of time.

    The last `origins * test` examples are cut into `origins` blocks. The test split of origin k is
    block k, its validation split is what comes just before, and its training split what comes before
    that, so that no split holds anything of its own future. All origins have equally many training
    examples: those of a later one start later. (A window of fixed size; the other usual choice, one that
    grows, would let later origins learn from more, and compile a program for each.)

    Source: Tashman, "Out-of-sample tests of forecasting accuracy: an analysis and review",
    International Journal of Forecasting 16, 2000, section 3.

    Args:
      n: how many examples there are.
      test: examples of a test split.
      validation: examples of a validation split.
      origins: how many origins there are.
      origin: which, from 0, the earliest.

    Raises:
      DataError: if there is no such origin, or nothing is left to train on.

    >>> [one.tolist() for one in rolling(8, test=1, validation=2, origins=3, origin=1)]
    [[1, 2, 3], [4, 5], [6]]
    """
    check_origins(origins, origin)
    train = n - validation - origins * test
    if train < 1:
        raise DataError(
            f"of {n} examples, {origins} origins take {test} each for their test splits and {validation} "
            "for validation: nothing is left to train on; lower split.origins, split.test or "
            "split.validation"
        )
    start = origin * test
    ends = np.cumsum([start + train, validation, test])
    return Rows(np.arange(start, ends[0]), np.arange(ends[0], ends[1]), np.arange(ends[1], ends[2]))


def check_origins(origins: Any, origin: Any, by: str = "order") -> None:
    """Checks that there is such an origin, and that the rule has origins at all.

    Raises:
      DataError: if not.
    """
    if isinstance(origins, bool) or not isinstance(origins, int | np.integer) or origins < 1:
        raise DataError(f"split.origins is {origins!r}; allowed are integers from 1")
    if by != "order":
        raise DataError(
            f"split.origins is {origins}, but split.by is {by!r}; origins roll on by: order alone; remove "
            "split.origins"
        )
    if origin >= origins:
        raise DataError(
            f"there is no origin {origin}: split.origins is {origins}, and they are numbered from 0; "
            "raise split.origins, or ask for fewer repeats or a lower split.seed"
        )
