"""The answer over all problems in one sentence, where a study has several."""

from __future__ import annotations

import numpy as np

from funcdl.report.board import Board, board
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import count, listing, plain
from funcdl.stats.across.pairwise import Pair, pairwise
from funcdl.stats.across.ranking import mean_ranks
from funcdl.stats.signed_rank import problems_needed, smallest_p


def overall(question: Question, table: list[Record]) -> str:
    """Who has the best mean rank over the problems, and what signed-rank tests say of it.

    Empty for a study of one block, and where fewer than two methods were measured on two problems.

    Args:
        question: what was asked.
        table: its table, as records.
    """
    if len(question.blocks) < 2:
        return ""
    found = board(question, table)
    n, k = found.scores.shape
    if n < 2 or k < 2:
        return ""
    ranks = mean_ranks(found.scores)
    best = np.flatnonzero(np.isclose(ranks, ranks.min(), rtol=0, atol=1e-9)).tolist()
    names = [plain(label, 60) for label in found.methods]
    over = f"Over {count(n, 'problem')}"
    if n < len(question.blocks):
        over = f"Over {n} of {count(len(question.blocks), 'problem')}"
    place = f"({ranks.min():.3g} of {k})"
    tested = pairwise(found.scores, asked_everywhere(question, found), question.alpha)
    if len(best) > 1:
        who = listing([names[j] for j in best])
        claim = f"{over} {who} share the best mean rank {place}"
    else:
        claim = f"{over} {names[best[0]]} has the best mean rank {place}"
    if not tested:
        return f"{claim}; no contrast was asked on all of them, so none is tested across them."
    if not smallest_p(n, len(tested)) < question.alpha:
        needed = problems_needed(len(tested), question.alpha)
        return (
            f"{claim}, but {count(n, 'problem')} are too few to decide anything across them "
            f"(it takes {needed} for {count(len(tested), 'contrast')})."
        )
    return f"{claim}; {_said(best, names, tested)}."


def asked_everywhere(question: Question, found: Board) -> list[tuple[int, int]]:
    """The contrasts that were asked on every problem of the board, as places of its methods."""
    asked: dict[tuple[str, str], set[str]] = {}
    for block, a, b in question.contrasts:
        asked.setdefault((a, b), set()).add(block)
    place = {label: i for i, label in enumerate(found.methods)}
    return [
        (place[a], place[b])
        for (a, b), blocks in asked.items()
        if a in place and b in place and blocks.issuperset(found.problems)
    ]


def wins(tested: list[Pair]) -> list[tuple[int, int]]:
    """The decided pairs, the better method first."""
    return [
        (one.a, one.b) if one.verdict == "better" else (one.b, one.a)
        for one in tested
        if one.verdict in ("better", "worse")
    ]


def _said(best: list[int], names: list[str], tested: list[Pair]) -> str:
    """What the tests say of the leader; of all pairs where several lead, or none tests the leader."""
    how = "by Wilcoxon's signed-rank tests with Holm"
    decided = wins(tested)
    mine = [one for one in tested if best[0] in (one.a, one.b)]
    if len(best) > 1 or not mine:
        if not decided:
            return f"no pair of methods is decided {how}"
        said = listing([f"{names[a]} is better than {names[b]}" for a, b in decided])
        return f"{said}, {how}"
    over = [names[b] for a, b in decided if a == best[0]]
    under = [names[a] for a, b in decided if b == best[0]]
    rest = [
        names[one.b if one.a == best[0] else one.a]
        for one in mine
        if one.verdict not in ("better", "worse")
    ]
    parts = [f"it is better than {listing(over)} {how}"] if over else []
    parts += (
        [f"{'yet' if over else 'yet it is'} worse than {listing(under)} {how}"] if under else []
    )
    if rest and parts:
        parts.append(f"not decided against {listing(rest)}")
    elif rest:
        parts.append(f"{how[3:]} do not tell it from {listing(rest)}")
    return ", ".join(parts)
