"""What a comparison says, in one word."""

from __future__ import annotations

from typing import Literal

from funcdl.stats.paired import Paired

Verdict = Literal["better", "worse", "equivalent", "undecided", "refused"]
Mode = Literal["max", "min"]


def verdict(
    paired: Paired,
    p_adjusted: float | None,
    *,
    mode: Mode,
    alpha: float = 0.05,
    margin: float | None = None,
) -> Verdict:
    """Read a paired comparison of a with b.

    - `refused`: there is no test; `paired.reason` says why.
    - `equivalent`: a margin is given and the whole interval lies inside it: the difference,
      whatever its sign, is one that does not matter. This is two one-sided tests read off the
      two-sided interval, so each has half the interval's error rate.
    - `better`, `worse`: a differs from b (`p_adjusted < alpha`), in the direction of `mode`.
    - `undecided`: the data allow both signs. Not the same as equivalent.

    Args:
        paired: the comparison, a - b.
        p_adjusted: its p-value after the correction for all tests of the family.
        mode: "max" where larger is better, "min" where smaller is.
        alpha: the family's error rate.
        margin: the largest difference that does not matter, in the metric's unit.

    Raises:
        ValueError: `mode` is neither "max" nor "min", or `margin` is not above 0.

    Source: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach",
    J. Pharmacokinet. Biopharm. 15 (1987), for the equivalence.

    >>> found = Paired(5, 0.02, 0.01, 0.03, 5.55, 0.005, "")
    >>> verdict(found, 0.01, mode="max"), verdict(found, 0.01, mode="min")
    ('better', 'worse')
    >>> verdict(found, 0.18, mode="max"), verdict(found, 0.01, mode="max", margin=0.05)
    ('undecided', 'equivalent')
    """
    if mode not in ("max", "min"):
        raise ValueError(f"mode is {mode!r}; allowed: 'max', 'min'")
    if margin is not None and not margin > 0:
        raise ValueError(f"margin is {margin}; allowed: above 0, or None for no margin")
    if paired.p is None or p_adjusted is None or paired.difference is None:
        return "refused"
    if margin is not None and _inside(paired, margin):
        return "equivalent"
    if not p_adjusted < alpha:
        return "undecided"
    return "better" if (paired.difference > 0) == (mode == "max") else "worse"


def _inside(paired: Paired, margin: float) -> bool:
    """Whether the whole interval is closer to 0 than the margin."""
    ends = (paired.low, paired.high)
    return all(end is not None and abs(end) < margin for end in ends)
