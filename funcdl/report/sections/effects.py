"""How large the differences are, on which population, and what an undecided one still lacks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from funcdl.report.answer import Answer
from funcdl.report.display import pairs as shown_pairs
from funcdl.report.display import two_populations
from funcdl.report.level import level
from funcdl.report.material import Material
from funcdl.report.matrix import flipped, ranked
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.section import Grid, Section
from funcdl.report.wording import count, overruled, plain, scope

MOST = 45  # contrasts on a page; of more, those of the leader


def effects(material: Material, answer: Answer) -> Iterator[Section]:
    """One section per block with a contrast that has an interval."""
    question = material.question
    table, every = records(answer.table), records(answer.comparisons)
    for block in question.blocks:
        rows = ranked(table, block)
        pairs = [
            pair for pair in every if pair["block"] == block and pair["difference"] is not None
        ]
        if not pairs:
            continue
        shown = pairs if len(pairs) <= MOST else _of(rows[0]["method"], pairs)
        yield Section(
            "effects",
            "Size of the differences",
            block,
            tuple(text for text in _paragraphs(question, pairs, shown) if text),
            (Grid("effects", _caption(question), shown_pairs(question, shown)),),
        )


def _of(leader: str, pairs: list[Record]) -> list[Record]:
    """The comparisons with the leader, seen from it."""
    seen = [flipped(pair) if pair["b"] == leader else pair for pair in pairs]
    return [pair for pair in seen if pair["a"] == leader]


def _paragraphs(question: Question, pairs: list[Record], shown: list[Record]) -> Iterator[str]:
    looks = f", each at one of {len(question.looks)} planned looks" if question.looks else ""
    yield (
        f"Differences a - b of {plain(question.metric)}, with {level(question)} intervals for "
        f"{scope(pairs, question.cross)}{looks}."
    )
    yield _alone(pairs)
    yield _correlated(pairs)
    if len(shown) < len(pairs):
        yield f"Shown are the {len(shown)} with the leading method; comparisons.csv has all."


def _alone(pairs: list[Record]) -> str:
    if not any(map(two_populations, pairs)):
        return ""
    changed = sum(map(overruled, pairs))
    which = "the verdict" if len(pairs) == 1 else f"{changed} of {count(len(pairs), 'verdict')}"
    differ = f"{which} would differ" if changed else ""
    return (
        "The interval for this test set alone holds what the repeats vary and takes these test examples "
        "for all there are. It says nothing about other data" + (f": {differ}." if differ else ".")
    )


def _correlated(pairs: list[Record]) -> str:
    known = [pair["correlation"] for pair in pairs if pair["correlation"] is not None]
    if not known:
        return ""
    low, middle, high = np.quantile(known, (0, 0.5, 1))
    spread = f" in the median (from {low:.2f} to {high:.2f})" if len(known) > 1 else ""
    return (
        f"Repeats are compared pair by pair. Their scores correlate with {middle:.2f}{spread}: what "
        "pairing gains is known only afterwards."
    )


def _caption(question: Question) -> str:
    margin = f", within {question.margin:g} when equivalent" if question.margin else ""
    return (
        f"Contrasts of {plain(question.metric)}{margin}. P(a better): the share of paired repeats that a "
        "wins, ties half, a description and no test. Equivalent within: at any margin above it the two are "
        "equivalent (rounded up)."
    )
