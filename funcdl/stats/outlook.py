"""What more data would bring: how many more repeats make an interval narrow enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from funcdl.stats.crossed import mean_squares, of_components, variance_components
from funcdl.types import Array

MOST = 10**7  # nobody repeats more often, or tests on more


class Outlook(NamedTuple):
    """What would bring half the width of an interval under a margin.

    repeats: how many more repeats, with the test examples there are; 0 where it is narrow enough
        already, None where no number would do.
    examples: where `repeats` is None, how many more test examples, in the units of the test.
    with_repeats: and how many more repeats these need beside them; 0 where they suffice alone.
    """

    repeats: int | None
    examples: int | None = None
    with_repeats: int = 0


def outlook(table: Array, margin: float, level: float = 0.95, *, examples: bool) -> Outlook:
    """How much more is needed, if the variance stays what it was estimated to be.

    The interval's half width for a larger table follows from the variance components: that of the
    repeats shrinks with more repeats, that of the test examples does not. A plan, no promise: the
    components are estimates, and narrow enough does not mean decided.

    Args:
        table: `[n1, ..., nk]` differences for which `crossed_t` gives an interval.
        margin: what half the width shall be under, above 0.
        level: coverage of the interval.
        examples: whether the last axis is the test examples, which more repeats do not add to. Of
            several other axes (crossed streams) each gets as many more values as the others.

    >>> differences = np.random.default_rng(0).normal(0.01, 0.02, size=5)
    >>> outlook(differences, 0.005, examples=False).repeats
    9
    """
    x = np.asarray(table, np.float64)
    components = variance_components(mean_squares(x, x.ndim), x.shape)
    streams = x.ndim - examples

    def half(more_repeats: int, more_examples: int = 0) -> float:
        grown = [more_repeats] * streams + [more_examples] * examples
        shape = [n + more for n, more in zip(x.shape, grown, strict=True)]
        variance, df = of_components(components, shape)
        return _half(float(variance), float(df), level)

    def cells(more: int) -> int:
        before = x.shape[:streams]
        return math.prod(n + more for n in before) - math.prod(before)

    enough = _first(lambda more: half(more) < margin)
    if enough is not None or not examples:
        return Outlook(None if enough is None else cells(enough))
    beside = 0
    while beside < MOST:
        wanted = _first(lambda more: half(beside, more) < margin)  # noqa: B023 (called at once)
        if wanted is not None:
            return Outlook(None, wanted, cells(beside))
        beside = 2 * beside + 1
    return Outlook(None)


def outlook_of_splits(
    differences: Sequence[float] | Array, share: float, margin: float, level: float = 0.95
) -> Outlook:
    """The same for random splits of one data set: more splits leave `share / (1 - share)` standing.

    Args:
        differences: `[n]`, one per split, n at least 2.
        share: the part of the data that tests.
        margin: what half the width shall be under, above 0.
        level: coverage of the interval.
    """
    d = np.asarray(differences, np.float64)
    n, variance = len(d), float(d.var(ddof=1))

    def enough(more: int) -> bool:
        total = variance * (1 / (n + more) + share / (1 - share))
        return _half(total, n + more - 1, level) < margin

    return Outlook(_first(enough))


def _half(variance: float, df: float, level: float) -> float:
    return float(stdtrit(df, (1 + level) / 2)) * math.sqrt(variance)


def _first(enough: Callable[[int], bool]) -> int | None:
    """The smallest whole number that is enough; None where none up to `MOST` is."""
    if enough(0):
        return 0
    high = 1
    while not enough(high):
        if high > MOST:
            return None
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
