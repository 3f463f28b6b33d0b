"""Why a study that adds repeats until its answer is decided has as many as it has."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.report.answer import Answer
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.section import Section
from funcdl.report.wording import count, listing, plain

TITLE = "When repeats stopped"


def repeats(material: Material, answer: Answer) -> Iterator[Section]:
    """A section on the looks, where repeats were added between them."""
    question = material.question
    if not question.looks:
        return
    pairs = records(answer.comparisons)
    runs = [run for run in records(material.runs) if run["phase"] == "measure"]
    ends = []
    for block in question.blocks:
        here = [run["repeat"] for run in runs if run["block"] == block]
        mine = [pair for pair in pairs if pair["block"] == block]
        name = f"{plain(block, 60)}: " if block else ""
        ends.append(name + _end(question, max(here, default=-1) + 1, mine))
    yield Section("repeats", TITLE, "", (_rule(question), *ends))


def _rule(question: Question) -> str:
    looks = [str(look) for look in question.looks]
    if len(looks) == 1:
        return f"One look at the answer was planned, at {looks[0]} repeats."
    return (
        f"Looks at the answer were planned at {listing(looks, most=20)} repeats, and repeats were added "
        "until every contrast was decided. A p-value counts for each of them "
        f"({len(looks)} times the smallest so far) and intervals are wider in the same measure, so that "
        "looking more than once makes no error more likely."
    )


def _end(question: Question, reached: int, pairs: list[Record]) -> str:
    """Why a block's repeats ended where they did."""
    last = question.looks[-1]
    verdicts = [pair["verdict"] for pair in pairs]
    open_, refused = verdicts.count("undecided"), verdicts.count("refused")
    if reached not in question.looks or (open_ and reached < last):
        return f"The study is not finished: {count(reached, 'repeat')} so far, at most {last}."
    done = question.looks.index(reached) + 1
    where = (
        f"Ended at {count(reached, 'repeat')}, after {done} of {count(len(question.looks), 'look')}"
    )
    if open_:
        left = (
            f"{open_} of {count(len(pairs), 'contrast')} {'is' if open_ == 1 else 'are'} undecided"
        )
        return f"{where}: no more were planned, and {left}."
    untested = f", and {refused} cannot be tested" if refused else ""
    return f"{where}: every contrast that can be tested is decided{untested}."
