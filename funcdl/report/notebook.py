"""A study's answer as a notebook shows it: the sentence, the table, the warnings."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import escape

from funcdl.report.answer import Answer
from funcdl.report.cells import Cells, cells
from funcdl.report.display import results
from funcdl.report.protocol import short_protocol
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.wording import plain


def notebook(question: Question, answer: Answer) -> str:
    """The answer as a piece of HTML without style of its own, everything in it escaped.

    Args:
        question: what was asked.
        answer: what was found.
    """
    return "\n".join(_lines(question, answer))


def _lines(question: Question, answer: Answer) -> Iterator[str]:
    yield f"<p><strong>{escape(answer.sentence)}</strong></p>"
    table = records(answer.table)
    for block in question.blocks:
        if block:
            yield f"<p>{escape(plain(block))}</p>"
        yield from _table(cells(results(question, table, block)))
        yield f"<p>Between repeats {escape(short_protocol(question))}.</p>"
    if answer.warnings:
        yield f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in answer.warnings)}</ul>"


def _table(shown: Cells) -> Iterator[str]:
    sides = ["right" if right else "left" for right in shown.right]
    yield "<table><thead>"
    yield _row("th", shown.header, sides)
    yield "</thead><tbody>"
    for row in shown.rows:
        yield _row("td", row, sides)
    yield "</tbody></table>"


def _row(tag: str, texts: list[str], sides: list[str]) -> str:
    parts = (
        f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>'
        for text, side in zip(texts, sides, strict=True)
    )
    return f"<tr>{''.join(parts)}</tr>"
