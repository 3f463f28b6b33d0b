"""How large a difference must be, in standard deviations, for a number of repeats to show it.

For planning: how many repeats a study needs, and what it could not have found. Nothing here is a
verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import nctdtr, ndtr, stdtrit

MOST = 1e6


def power(effect: float, n: float, alpha: float = 0.05, *, paired: bool = True) -> float:
    """The chance that a two-sided t-test finds a true difference.

    The probability that a noncentral t exceeds Student's quantile on either side. Paired: n - 1
    degrees of freedom and noncentrality `effect sqrt(n)`; two independent groups of n each:
    2 n - 2 and `effect sqrt(n / 2)`.

    Args:
        effect: the true difference in standard deviations: of the paired differences when `paired`,
            else of the values.
        n: repeats per method, above 1; need not be whole.
        alpha: error rate of the test; divide by the number of contrasts for Holm's first step.
        paired: whether repeats are compared pair by pair.

    Raises:
        ValueError: `n` is not above 1, `alpha` not between 0 and 1, or `effect` not finite.

    Source: Cohen, "Statistical power analysis for the behavioral sciences" (1988), chapter 2.

    >>> f"{power(1.0, 17, paired=False):.2f}", f"{power(1.0, 17):.2f}"
    ('0.81', '0.97')
    """
    if not (n > 1 and math.isfinite(effect)):
        raise ValueError(f"n is {n} and effect {effect}; allowed: n above 1 and a finite effect")
    _check(alpha, "alpha")
    df = n - 1 if paired else 2 * n - 2
    shift = abs(effect) * math.sqrt(n if paired else n / 2)
    edge = float(stdtrit(df, 1 - alpha / 2))
    return min(1.0, max(0.0, 1 - _below(edge, df, shift) + _below(-edge, df, shift)))


def repeats(
    effect: float, chance: float = 0.8, alpha: float = 0.05, *, paired: bool = True
) -> float:
    """How many repeats per method find a true difference with a given chance; round up.

    Args:
        effect: the true difference in standard deviations, as in `power`.
        chance: the power that is wanted, between 0 and 1.
        alpha: error rate of the test.
        paired: whether repeats are compared pair by pair.

    Returns:
        A number that need not be whole, at least 2; infinite above a million.

    Raises:
        ValueError: `chance` or `alpha` is not between 0 and 1, or `effect` not finite.

    >>> [round(repeats(d, paired=False), 1) for d in (0.5, 0.8, 1.0, 1.5, 2.0)]
    [63.8, 25.5, 16.7, 8.1, 5.1]
    """
    _check(chance, "chance")
    if power(effect, MOST, alpha, paired=paired) < chance:
        return math.inf
    return _rising(lambda n: power(effect, n, alpha, paired=paired), chance, 2.0, MOST)


def detectable(n: int, chance: float = 0.8, alpha: float = 0.05) -> float:
    """The true difference, in deviations of the paired differences, that `n` repeats would find.

    Args:
        n: repeats, at least 2.
        chance: the power that is wanted, between `alpha` and 1.
        alpha: error rate of the test; divide by the number of contrasts for Holm's first step.

    Raises:
        ValueError: `n` is below 2, or `chance` or `alpha` is not between 0 and 1.

    >>> f"{detectable(5):.2f}", f"{detectable(5, alpha=0.05 / 36):.2f}"
    ('1.68', '4.39')
    """
    _check(chance, "chance")
    return _rising(lambda effect: power(effect, n, alpha), chance, 0.0, MOST)


def threshold(n: int, tests: int = 1, alpha: float = 0.05) -> float:
    """What the observed `|mean(d)| / sd(d)` must exceed for the first of `tests` to be decided.

    Holm's first step takes the smallest p-value `tests` times, so this is
    `t(1 - alpha / (2 tests), n - 1) / sqrt(n)`.

    Args:
        n: common repeats, at least 2.
        tests: contrasts in the family, at least 1.
        alpha: the family's error rate.

    Raises:
        ValueError: `n` is below 2, `tests` below 1 or `alpha` not between 0 and 1.

    >>> f"{threshold(5, 36):.2f}", f"{threshold(5, 9):.2f}"
    ('3.53', '2.43')
    """
    if n < 2 or tests < 1:
        raise ValueError(f"n is {n} and tests {tests}; allowed: n at least 2, tests at least 1")
    _check(alpha, "alpha")
    return float(stdtrit(n - 1, 1 - alpha / (2 * tests))) / math.sqrt(n)


def _below(t: float, df: float, shift: float) -> float:
    """The noncentral t distribution; SciPy gives NaN far out, where the normal one is as good."""
    found = float(nctdtr(df, shift, t))
    return float(ndtr(t - shift)) if math.isnan(found) else found


def _rising(function: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a rising function reaches a value, to a relative 1e-9; `low` where it is above it."""
    if function(low) >= wanted:
        return low
    while high - low > 1e-9 * high:
        middle = (low + high) / 2 if low < 1 else math.sqrt(low * high)
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return high


def _check(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; allowed: between 0 and 1, both excluded")
