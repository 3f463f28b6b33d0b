"""The order of methods, with those that diverged at the end."""

from __future__ import annotations

from collections.abc import Sequence

from funcdl.stats.verdict import Mode


def ranks(
    means: Sequence[float | None], diverged: Sequence[int], *, mode: Mode
) -> list[int | None]:
    """Rank methods by their mean; 1 is the best, and equal means share the better rank.

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
    last = len(survivors) + sum(mean is None and count > 0 for mean, count in pairs)
    found: list[int | None] = []
    for mean, count in pairs:
        if mean is not None:
            found.append(survivors.index((count, sign * mean)) + 1)
        else:
            found.append(last if count else None)
    return found
