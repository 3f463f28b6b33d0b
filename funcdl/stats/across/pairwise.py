"""Pairs of methods over all problems: signed-rank tests, Holm, and one word each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from funcdl.stats.across.ranking import score_table
from funcdl.stats.multiple import holm
from funcdl.stats.signed_rank import SignedRank, problems_needed, signed_rank, smallest_p
from funcdl.stats.verdict import Verdict
from funcdl.types import Array


class Pair(NamedTuple):
    """Method a against method b over all problems.

    a, b: places in the columns of the scores.
    test: the signed-rank test.
    p_holm: after Holm over all pairs; None where the test was refused.
    verdict: of a: better, worse, undecided or refused.
    reason: why it was refused, and what would be needed.
    """

    a: int
    b: int
    test: SignedRank
    p_holm: float | None
    verdict: Verdict
    reason: str


def pairwise(
    scores: Sequence[Sequence[float]] | Array,
    pairs: Sequence[tuple[int, int]],
    alpha: float = 0.05,
) -> list[Pair]:
    """Wilcoxon's signed-rank test of each pair, Holm over all of them.

    All are refused where so few problems could not make even the smallest p significant: calling
    that "not significant" would be a verdict about the methods that the data cannot give.

    Args:
        scores: `[problems, methods]`, larger is better, minus infinity for a method that diverged.
        pairs: (a, b), the columns to compare.
        alpha: the family's error rate.

    Raises:
        ValueError: `scores` is not such a table, or holds NaN.

    Source: Benavoli, Corani and Mangili, "Should we really use post-hoc tests based on mean-ranks?",
    JMLR 17 (2016), for pairwise tests in place of those on mean ranks.

    >>> found = pairwise([[2, 1], [4, 2], [6, 3], [8, 4], [10, 5], [12, 6]], [(0, 1)])
    >>> found[0].verdict, found[0].p_holm
    ('better', 0.03125)
    """
    x = score_table(scores)
    tests = [signed_rank(x[:, a], x[:, b]) for a, b in pairs]
    hopeless = not smallest_p(len(x), len(pairs)) < alpha
    adjusted = holm([None if hopeless else test.p for test in tests])
    found = []
    for (a, b), test, p in zip(pairs, tests, adjusted, strict=True):
        reason = _too_few(len(x), len(pairs), alpha) if hopeless else test.reason
        found.append(Pair(a, b, test, p, _verdict(test, p, alpha), reason))
    return found


def _verdict(test: SignedRank, p: float | None, alpha: float) -> Verdict:
    if p is None or test.plus is None or test.minus is None:
        return "refused"
    if not p < alpha:
        return "undecided"
    return "better" if test.plus > test.minus else "worse"


def _too_few(problems: int, tests: int, alpha: float) -> str:
    least = smallest_p(problems, tests)
    times = f", times {tests} tests" if tests > 1 else ""
    return (
        f"with {problems} problems the smallest p this test can give{times} is {least:.3g}; "
        f"below {alpha:g} it comes from {problems_needed(tests, alpha)} problems on"
    )
