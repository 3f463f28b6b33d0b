"""Looking more than once: repeats are added until the contrasts are decided.

Whoever tests at 5, 10, 20 and 40 repeats and stops at the first small p-value errs in 15 % of
cases at a nominal 5 %. Here the looks are planned, `L` of them, each test is taken `L` times as
seriously (Bonferroni over the looks), and every interval has the level `1 - alpha / L`. All L
intervals of a difference then hold at once with a chance of at least 1 - alpha, so the one at
which a study happens to stop does, too, whatever the rule that stopped it.
"""

from __future__ import annotations

from collections.abc import Sequence


def planned(count: int, most: int) -> tuple[int, ...]:
    """The numbers of repeats at which a study looks: `count`, doubled, and `most` in the end.

    Args:
        count: repeats at the first look, at least 1.
        most: repeats at the last one, at least `count`.

    Raises:
        ValueError: `count` is below 1 or `most` below `count`.

    >>> planned(5, 40), planned(5, 30), planned(5, 5)
    ((5, 10, 20, 40), (5, 10, 20, 30), (5,))
    """
    if count < 1:
        raise ValueError(f"count is {count}; allowed: at least 1")
    if most < count:
        raise ValueError(f"most is {most}; allowed: at least count, which is {count}")
    looks = [count]
    while looks[-1] < most:
        looks.append(min(2 * looks[-1], most))
    return tuple(looks)


def running_p(p: Sequence[float | None], looks: Sequence[int]) -> float | None:
    """The p-value of a test after some of its planned looks: `min over looks so far of L p`.

    It never rises, so what was decided stays decided while other contrasts of the family go on; its
    direction is that of the look where `p` was smallest. Corrections for several contrasts (Holm)
    are applied to these values.

    Args:
        p: the p-value at each look so far, in order; None where the test was refused.
        looks: all planned looks, as `planned` gives them; none is the same as one.

    Returns:
        At most 1. None without a look, and where the test at the latest look is refused: what
        forbids a test of the data as they are now (a run that diverged) forbids a verdict.

    Raises:
        ValueError: more p-values than looks, or one that is not between 0 and 1.

    Source: Bonferroni's inequality over the looks; compare Pocock, "Group sequential methods in the
    design and analysis of clinical trials", Biometrika 64 (1977), for why it is needed.

    >>> running_p([0.03, 0.01, 0.2], (5, 10, 20, 40))
    0.04
    """
    times = max(1, len(looks))
    if len(p) > times:
        raise ValueError(f"{len(p)} p-values for {times} planned looks")
    for i, value in enumerate(p):
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"p[{i}] is {value}; allowed: 0 to 1, or None for a refused test")
    if not p or p[-1] is None:
        return None
    return min(1.0, times * min(value for value in p if value is not None))


def level_at(alpha: float, looks: Sequence[int]) -> float:
    """The level of every interval of a study with these planned looks: `1 - alpha / L`.

    Args:
        alpha: the error rate of the study as a whole, between 0 and 1.
        looks: all planned looks; none is the same as one.

    Raises:
        ValueError: `alpha` is not between 0 and 1, both excluded.

    >>> level_at(0.05, (5, 10, 20, 40)), level_at(0.05, ())
    (0.9875, 0.95)
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; allowed: between 0 and 1, such as 0.05")
    return 1 - alpha / max(1, len(looks))
