"""Many tests, one error rate: Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values so that the chance of any false rejection in the family stays at alpha.

    With the p-values in ascending order, `adjusted(i) = max over j <= i of (m - j + 1) p(j)`, at
    most 1. A test that was asked for and refused (None) stays None but counts in `m`: how strict
    the family is must not depend on which of its tests the data happened to allow.

    Args:
        p: one p-value per test asked, None where it was refused.

    Returns:
        The adjusted p-values in the same order.

    Raises:
        ValueError: a value is not between 0 and 1.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6
    (1979).

    >>> [round(q, 3) for q in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    tested = [(value, i) for i, value in enumerate(p) if value is not None]
    for value, i in tested:
        if not 0 <= value <= 1:
            raise ValueError(f"p[{i}] is {value}; allowed: 0 to 1, or None for a refused test")
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for step, (value, i) in enumerate(sorted(tested)):
        highest = max(highest, min(1.0, (len(p) - step) * value))
        adjusted[i] = highest
    return adjusted
