"""What the methods paragraph says of tests over all problems of a study."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.report.board import board
from funcdl.report.overall import asked_everywhere
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.references import Cited
from funcdl.report.wording import count
from funcdl.stats.across.friedman import friedman
from funcdl.stats.signed_rank import smallest_p


def across_problems(question: Question, table: list[Record], cited: Cited) -> Iterator[str]:
    """The tests whose unit is the problem; nothing where too few problems were measured for one.

    Args:
        question: what was asked.
        table: its table, as records.
        cited: the references so far.
    """
    if len(question.blocks) < 2:
        return
    found = board(question, table)
    n, k = found.scores.shape
    pairs = asked_everywhere(question, found)
    if n < 2 or k < 2 or not pairs or not smallest_p(n, len(pairs)) < question.alpha:
        return
    family = f", with Holm's method {cited('holm')} over {len(pairs)} contrasts"
    yield (
        f"Over the {n} problems methods were compared by Wilcoxon's signed-rank test "
        f"{cited('wilcoxon')}{family if len(pairs) > 1 else ''}; a problem counts once, with the mean "
        "over its repeats."
    )
    places = friedman(found.scores)
    if k > 2 and places.p is not None:
        by = f", in Iman and Davenport's form {cited('davenport')}" if places.by == "F" else ""
        yield f"That mean ranks differ at all was tested by Friedman's test {cited('friedman')}{by}."
    if len(question.looks) > 1:
        yield (
            f"Repeats grew within each of the {count(n, 'problem')} by its own contrasts; the tests over "
            "problems were made at a single look, after all had ended."
        )
