"""The answer as one self-contained page that opens offline, on a phone and on paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from funcdl.report.answer import Answer
from funcdl.report.figures.gallery import drawings
from funcdl.report.figures.palette import DARK, LIGHT
from funcdl.report.figures.svg import svg
from funcdl.report.material import Material
from funcdl.report.matrix import FLIPPED, matrix, ranked
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.section import Section
from funcdl.report.wording import (
    count,
    decimals,
    interval,
    listing,
    number,
    p_value,
    plain,
    short,
)

SYMBOLS = {"better": "▲", "worse": "▼", "equivalent": "=", "undecided": "·", "refused": "×"}


def page(material: Material, answer: Answer, parts: Sequence[Section] = ()) -> str:
    """The report as HTML.

    Everything is in it: style, drawings and tables; it loads nothing and runs no script, and a
    content security policy keeps it so. Text is escaped wherever it comes from.

    Args:
        material: what the report is made from.
        answer: what was found.
        parts: the sections beside the main table.
    """
    question, metrics = material.question, material.metrics
    every, table = records(material.runs), records(answer.table)
    drawn = [
        (
            one.block,
            one.title[:1].upper() + one.title[1:],
            Markup(svg(one.figure, f"figure{i}", one.alt)),
        )
        for i, one in enumerate(drawings(question, table, every, metrics))
    ]
    blocks = [_block(question, answer, table, block) for block in question.blocks]
    for block in blocks:
        block["drawings"] = [one[1:] for one in drawn if one[0] == block["name"]]
    nothing = dict.fromkeys(("reason", "diverged_at", "digest", "seconds", question.metric))
    return _template().render(
        q=question,
        sentence=answer.sentence,
        warnings=answer.warnings,
        blocks=blocks,
        measured=[nothing | run for run in every if run["phase"] == "measure"],
        spaces=_spaces(question),
        symbols=SYMBOLS,
        level=f"{100 * (1 - question.alpha):g} %",
        palettes={"light": LIGHT, "dark": DARK},
    )


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("funcdl.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": plain,
        "breakable": breakable,
        "number": number,
        "short": short,
        "p": p_value,
        "interval": interval,
        "count": count,
        "listing": listing,
    }
    return environment.get_template("page.html.jinja")


def breakable(name: str) -> Markup:
    """A dotted or slashed name that a narrow heading may break after its dots and slashes."""
    return Markup(re.sub(r"([./])", r"\1<wbr>", str(escape(plain(name)))))


def _block(question: Question, answer: Answer, table: list[Record], block: str) -> dict[str, Any]:
    rows = ranked(table, block)
    pairs = [row for row in records(answer.comparisons) if row["block"] == block]
    return {
        "name": block,
        "rows": rows,
        "digits": decimals(rows),
        "pairs": pairs,
        "pair_digits": decimals(pairs),
        "matrix": matrix(block, table, pairs),
        "words": _words(pairs),
    }


def _words(pairs: list[Record]) -> list[str]:
    """The verdicts that occur, from either side, in the order of the legend."""
    seen = {row["verdict"] for row in pairs}
    seen |= {FLIPPED.get(word, word) for word in seen}
    return [word for word in SYMBOLS if word in seen]


def _spaces(question: Question) -> list[tuple[str, str, list[str]]]:
    """(key, space, methods) of the search, methods with equal spaces together."""
    found: dict[tuple[str, str], list[str]] = {}
    for (block, label), spaces in question.spaces.items():
        name = f"{label} ({block})" if block else label
        for key, space in spaces.items():
            found.setdefault((key, space), []).append(name)
    return [(key, space, names) for (key, space), names in found.items()]
