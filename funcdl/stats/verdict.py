"""What a comparison says, in one word."""

from __future__ import annotations

from typing import Literal

from funcdl.stats.equivalence import equivalent
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
    - `equivalent`: the whole interval lies inside the margin, whatever the difference's sign; see
      `funcdl.stats.equivalence`.
    - `better`, `worse`: a differs from b (`p_adjusted < alpha`), in the direction of `mode`.
    - `undecided`: the corrected test found too little. Not the same as equivalent.

    Args:
        paired: the comparison, a - b.
        p_adjusted: its p-value after the correction for all tests of the family.
        mode: "max" where larger is better, "min" where smaller is.
        alpha: the family's error rate.
        margin: the largest difference that does not matter, in the metric's unit; with None or 0
            nothing is equivalent.

    Raises:
        ValueError: `mode` is neither "max" nor "min", or `margin` is below 0.

    >>> found = Paired(5, 0.02, 0.01, 0.03, 5.55, 0.005, "")
    >>> verdict(found, 0.01, mode="max"), verdict(found, 0.01, mode="min")
    ('better', 'worse')
    >>> verdict(found, 0.18, mode="max"), verdict(found, 0.01, mode="max", margin=0.05)
    ('undecided', 'equivalent')
    """
    if mode not in ("max", "min"):
        raise ValueError(f"mode is {mode!r}; allowed: 'max', 'min'")
    inside = equivalent(paired, margin)
    if paired.p is None or p_adjusted is None or paired.difference is None:
        return "refused"
    if inside:
        return "equivalent"
    if not p_adjusted < alpha:
        return "undecided"
    return "better" if (paired.difference > 0) == (mode == "max") else "worse"
