"""Do the methods' places differ over the problems at all? Friedman's test and Iman-Davenport's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import chdtrc, fdtrc

from funcdl.stats.across.ranking import problem_ranks
from funcdl.types import Array

COUNTABLE = 50_000  # orders
SAMPLED = 20_000
MANY = 10  # problems from which on the F distribution keeps its error rate


class Friedman(NamedTuple):
    """Friedman's test; None where a number cannot be given.

    problems, methods: how many there are.
    ranks: the mean rank per method, 1 the best.
    chi2, p_chi2: Friedman's statistic and its p-value by the chi-squared approximation.
    f, p_f: Iman and Davenport's F, on (k - 1) and (k - 1)(N - 1) degrees of freedom, and its p-value.
    p: the one to use: below 10 problems from the orders themselves, all of them where they can be
        counted, or else a sample; from 10 on `p_f`. At three problems and three methods F would call
        one chance order in five significant.
    by: where p comes from, "all orders", "sampled orders" or "F".
    reason: why a number is missing or means less than it seems; empty when all is well.
    """

    problems: int
    methods: int
    ranks: tuple[float, ...]
    chi2: float | None
    p_chi2: float | None
    f: float | None
    p_f: float | None
    p: float | None
    by: Literal["all orders", "sampled orders", "F", ""]
    reason: str


def friedman(
    scores: Sequence[Sequence[float]] | Array, *, correct_ties: bool = True, seed: int = 0
) -> Friedman:
    """Test whether all methods have the same expected rank.

    With mean ranks `R`, N problems and k methods,
    `chi2 = 12 N / (k (k + 1)) (sum R^2 - k (k + 1)^2 / 4)`, divided, where scores tie, by
    `1 - sum (t^3 - t) / (N k (k^2 - 1))` over the groups of t equal scores (Demšar's worked example
    leaves that correction out, which makes the test more cautious: `correct_ties=False`), and
    `F = (N - 1) chi2 / (N (k - 1) - chi2)`, infinite where every problem gives the same order. The
    p-value from orders is the share of all orders of each problem's scores, or of 20,000 drawn ones,
    whose statistic is at least as large; that of the same order everywhere, `(1 / k!)^(N - 1)`
    without ties, is known for any number.

    Args:
        scores: `[problems, methods]`, larger is better, minus infinity for a method that diverged.
        correct_ties: whether to divide by the correction for ties.
        seed: of the orders that are drawn.

    Raises:
        ValueError: `scores` is not such a table, or holds NaN.

    Source: Friedman, JASA 32 (1937); Iman and Davenport, Commun. Stat. A 9 (1980); Demšar, JMLR 7
    (2006), section 3.2.2.

    >>> found = friedman([[3, 2, 1], [3, 1, 2], [2, 3, 1], [3, 2, 1]])
    >>> found.ranks, f"chi2 = {found.chi2:.2f}, F = {found.f:.2f}, p = {found.p:.3f}"
    ((1.25, 2.0, 2.75), 'chi2 = 4.50, F = 3.86, p = 0.125')
    """
    ranks = problem_ranks(scores)
    n, k = ranks.shape
    means = tuple(ranks.mean(axis=0).tolist()) if n else (math.nan,) * k

    def refused(reason: str) -> Friedman:
        return Friedman(n, k, means, None, None, None, None, None, "", reason)

    if k < 2:
        return refused(f"{k} method{'' if k == 1 else 's'}; at least 2 are needed")
    if n < 2:
        return refused(f"{n} problem{'' if n == 1 else 's'}; at least 2 are needed")
    untied = _untied(ranks)
    if untied == 0:
        return refused("all methods tie on every problem")
    spread = float(np.square(ranks.mean(axis=0) - (k + 1) / 2).sum())
    chi2 = 12 * n / (k * (k + 1)) * spread / (untied if correct_ties else 1.0)
    p_chi2 = float(chdtrc(k - 1, chi2))
    rest = n * (k - 1) - chi2
    same = rest < 1e-9 * n * k
    f = math.inf if same else (n - 1) * chi2 / rest
    p_f = 0.0 if same else float(fdtrc(k - 1, (k - 1) * (n - 1), f))
    reason = "every problem gives the same order" if same else ""
    if same:
        p, by = _agreement(ranks), "all orders"
    elif (n - 1) * math.lgamma(k + 1) <= math.log(COUNTABLE):
        p, by = _counted(ranks), "all orders"
    elif n < MANY:
        p, by = _sampled(ranks, seed), "sampled orders"
    else:
        p, by = p_f, "F"
    return Friedman(n, k, means, chi2, p_chi2, f, p_f, p, by, reason)


def _untied(ranks: np.ndarray) -> float:
    """1 without ties, 0 where everything ties: the mean variance of ranks, over its largest."""
    n, k = ranks.shape
    return float(12 * np.square(ranks - (k + 1) / 2).sum() / (n * k * (k * k - 1)))


def _agreement(ranks: np.ndarray) -> float:
    """The chance that all problems give the order of the first, ties as they are."""
    n, k = ranks.shape
    alike = np.unique(ranks[0], return_counts=True)[1]
    orders = math.exp(math.lgamma(k + 1) - sum(math.lgamma(t + 1) for t in alike))
    return float(orders ** (1.0 - n))


def _counted(ranks: np.ndarray) -> float:
    """The share of all orders whose rank sums spread at least as far."""
    orders = np.array(list(itertools.permutations(range(ranks.shape[1]))))
    sums = ranks[:1]  # which method is which does not matter, so one problem may stay as it is
    for row in ranks[1:]:
        sums = (sums[:, None, :] + row[orders]).reshape(-1, ranks.shape[1])
    return float(_as_far(sums, ranks).mean())


def _sampled(ranks: np.ndarray, seed: int) -> float:
    """The same share over drawn orders, the one seen among them, so that it is never too small."""
    rng = np.random.default_rng(seed)
    sums = np.zeros((SAMPLED - 1, ranks.shape[1]))
    for row in sorted(np.sort(ranks, axis=1).tolist()):  # whatever the order of the table
        sums += rng.permuted(np.broadcast_to(row, sums.shape), axis=1)
    return float((1 + _as_far(sums, ranks).sum()) / SAMPLED)


def _as_far(sums: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    mean = ranks.sum() / ranks.shape[1]
    seen = np.square(ranks.sum(axis=0) - mean).sum()
    return np.square(sums - mean).sum(axis=1) >= seen - 1e-9
