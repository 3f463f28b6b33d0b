"""Is a difference too small to matter? And how small a difference could the data exclude?"""

from __future__ import annotations

from funcdl.stats.paired import Paired


def equivalent(found: Paired, margin: float | None) -> bool:
    """Whether the whole interval of the difference lies inside the margin.

    Two one-sided tests, read off the two-sided interval: each of "the difference is at least the
    margin" and "at most minus the margin" is rejected. It may hold for a difference that is surely
    not 0: it is there, and does not matter. With the interval's level 1 - alpha each of the two
    tests errs in alpha / 2 of cases, and the pair in no more.

    Args:
        found: the comparison.
        margin: the largest difference that does not matter; with None or 0 none is so small.

    Raises:
        ValueError: `margin` is below 0 or not a number.

    Source: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach",
    J. Pharmacokinet. Biopharm. 15 (1987).

    >>> small = Paired(5, 0.02, 0.01, 0.03, 5.55, 0.005, "")
    >>> equivalent(small, 0.05), equivalent(small, 0.03), equivalent(small, None)
    (True, False, False)
    """
    if margin is not None and not margin >= 0:
        raise ValueError(f"margin is {margin}; allowed: 0 and above, or None for no margin")
    least = smallest_margin(found)
    return margin is not None and least is not None and least < margin


def smallest_margin(found: Paired) -> float | None:
    """At which margin the methods would be equivalent: at any above the interval's farther end.

    >>> smallest_margin(Paired(5, -0.02, -0.03, -0.01, -5.55, 0.005, ""))
    0.03
    """
    if found.low is None or found.high is None:
        return None
    return max(abs(found.low), abs(found.high))
