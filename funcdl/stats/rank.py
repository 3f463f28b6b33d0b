"""The order of methods, with those that diverged at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from funcdl.stats.interval import ROUNDING
from funcdl.stats.verdict import Mode


def ranks(
    means: Sequence[float | None], diverged: Sequence[int], *, mode: Mode
) -> list[int | None]:
    """Rank methods by their mean; 1 is the best, and equal means share the better rank.

    Means are equal up to the rounding of float32 (`funcdl.stats.interval.ROUNDING` of the larger):
    which of two such means comes out ahead says nothing about the methods.

    A method that diverged in any repeat ranks below every method that did not: its mean is that of
    the repeats it survived. Among those, fewer divergences rank higher, then the mean; one without
    any surviving repeat is last, and several share the last rank.

    Args:
        means: per method the mean of the repeats that finished; None where none did.
        diverged: per method how many repeats diverged.
        mode: "max" where larger is better, "min" where smaller is.

    Returns:
        A rank per method; None for one that neither finished nor diverged (not measured yet).

    Raises:
        ValueError: the lengths differ, or `mode` is neither "max" nor "min".

    >>> ranks([0.9, 0.95, None, 0.99, None], [0, 0, 5, 1, 0], mode="max")
    [2, 1, 4, 3, None]
    """
    if mode not in ("max", "min"):
        raise ValueError(f"mode is {mode!r}; allowed: 'max', 'min'")
    sign = -1.0 if mode == "max" else 1.0
    pairs = list(zip(means, diverged, strict=True))
    survivors = sorted((count, sign * mean) for mean, count in pairs if mean is not None)
    places = _places(survivors)
    last = len(survivors) + sum(mean is None and count > 0 for mean, count in pairs)
    found: list[int | None] = []
    for mean, count in pairs:
        if mean is not None:
            found.append(places[count, sign * mean])
        else:
            found.append(last if count else None)
    return found


def _places(survivors: Sequence[tuple[int, float]]) -> dict[tuple[int, float], int]:
    """The rank of each, from those in order; what equals the first of a place shares that place."""
    found: dict[tuple[int, float], int] = {}
    first, place = None, 0
    for i, one in enumerate(survivors):
        if first is None or one[0] != first[0] or not _equal(one[1], first[1]):
            first, place = one, i + 1
        found[one] = place
    return found


def _equal(a: float, b: float) -> bool:
    return a == b or abs(a - b) <= ROUNDING * max(abs(a), abs(b)) < math.inf
