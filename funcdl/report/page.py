"""The answer as one self-contained page that opens offline, on a phone and on paper."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from funcdl.report import export, prose
from funcdl.report.answer import Answer
from funcdl.report.cells import Cells, cells
from funcdl.report.display import fixed, pairs, results, two_populations
from funcdl.report.figures.palette import DARK, LIGHT
from funcdl.report.figures.svg import in_page
from funcdl.report.material import Material
from funcdl.report.matrix import FLIPPED, matrix
from funcdl.report.methods import methods
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.section import Grid, Section
from funcdl.report.wording import count, decimals, interval, number, p_value, plain

SYMBOLS = {"better": "▲", "worse": "▼", "equivalent": "=", "undecided": "·", "refused": "×"}
EFFECTS = "effects"  # the section that has the comparisons in numbers
LONG = 40  # characters of a cell that may be broken
OPEN = 12  # rows that a section's table may have and be shown at once
LISTED = 500  # measured runs whose digests the page lists; more are in the rows alone


class Shown(NamedTuple):
    """A drawing, ready: its SVG as `figures.svg.drawn` gave it, and its words."""

    block: str
    title: str
    alt: str
    text: str


class Part(NamedTuple):
    """A section, and its drawings, ready."""

    section: Section
    drawings: tuple[Shown, ...]


def page(
    material: Material, answer: Answer, drawings: Sequence[Shown] = (), parts: Sequence[Part] = ()
) -> str:
    """The report as HTML.

    Everything is in it: style, drawings and tables; it loads nothing and runs no script, and a
    content security policy keeps it so. Text is escaped wherever it comes from.

    Args:
        material: what the report is made from.
        answer: what was found.
        drawings: those of the answer itself, by block.
        parts: the sections beside the main table.
    """
    question = material.question
    table, tests = records(answer.table), records(answer.comparisons)
    blocks = [
        _block(question, table, [row for row in tests if row["block"] == block], block, i)
        for i, block in enumerate(question.blocks)
    ]
    told = {s.block for s, _ in parts if s.name == EFFECTS and s.grids}
    for block in blocks:
        block["told"] = block["name"] in told
        block["drawings"] = [_drawing(one) for one in drawings if one.block == block["name"]]
    ready = [_part(part, i) for i, part in enumerate(parts)]
    return _template().render(
        q=question,
        heading=plain(question.heading),
        setup=prose.setup(question),
        sentence=answer.sentence,
        warned=len(answer.warnings),
        doubts=[*answer.warnings, *prose.doubts(question, tests)],
        methods=methods(question, answer),
        contents=_contents(question, blocks, ready),
        blocks=blocks,
        parts=ready,
        printed=export.PRINTED,
        drawn=len(drawings) + sum(len(part.drawings) for part in parts),
        measured=_measured(question, material.runs),
        spaces=_spaces(question),
        symbols=SYMBOLS,
        look=_look,
        style=Markup(_style()),
        style_digest=base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode(),
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
        "p": p_value,
        "interval": interval,
        "count": count,
    }
    return environment.get_template("page.html.jinja")


@functools.cache
def _style() -> str:
    """The page's style, with the palettes of the figures."""
    light, dark = (
        "".join(f"--c{i}:{color};" for i, color in enumerate(colors)) for colors in (LIGHT, DARK)
    )
    return (
        f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        + files("funcdl.report").joinpath("page.css").read_text("utf-8")
    )


def breakable(name: str) -> Markup:
    """A dotted or slashed name that a narrow heading may break after its marks."""
    return Markup(re.sub(r"([./_@])", r"\1<wbr>", str(escape(plain(name)))))


def _look(cell: str, right: bool) -> Markup:
    """The class of a cell: a number, a verdict, or a text that may be broken."""
    names = [
        name
        for name, holds in (("r", right), (cell, cell in SYMBOLS), ("long", len(cell) > LONG))
        if holds
    ]
    return Markup(f' class="{" ".join(names)}"' if names else "")


def _block(
    question: Question, table: list[Record], tests: list[Record], block: str, number: int
) -> dict[str, Any]:
    square = matrix(block, table, tests)
    two = any(map(two_populations, tests))
    return {
        "name": block,
        "anchor": f"results-{number + 1}",
        "reading": prose.reading(question, [row for row in table if row["block"] == block]),
        "table": cells(results(question, table, block)),
        "pairs": cells(pairs(question, tests)),
        "pair_digits": decimals(tests),
        "matrix": square,
        "fixed": matrix(block, table, [fixed(row) for row in tests]) if two else None,
        "words": _words(tests, two),
        "tested": prose.tested(question, tests),
    }


def _words(pairs: list[Record], two: bool) -> list[str]:
    """The verdicts that are shown, from either side, in the order of the legend."""
    names = ("verdict", "fixed_verdict") if two else ("verdict",)
    seen = {row.get(name) for row in pairs for name in names}
    seen |= {FLIPPED.get(word, word) for word in seen if word}
    return [word for word in SYMBOLS if word in seen]


def _drawing(one: Shown) -> dict[str, Any]:
    return {"svg": Markup(in_page(one.text, one.alt)), "title": prose.capital(one.title)}


def _part(part: Part, number: int) -> dict[str, Any]:
    section = part.section
    return {
        "anchor": f"part-{number + 1}",
        "title": plain(section.title),
        "block": plain(section.block, 60),
        "paragraphs": [plain(text) for text in section.paragraphs],
        "grids": [_grid(grid) for grid in section.grids],
        "drawings": [_drawing(one) for one in part.drawings],
    }


def _grid(grid: Grid) -> dict[str, Any]:
    folded = len(grid.frame) > OPEN
    return {"caption": plain(grid.caption), "cells": cells(grid.frame), "folded": folded}


def _contents(
    question: Question, blocks: Sequence[Mapping[str, Any]], parts: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """(anchor, title) of what the page has; a title that several blocks share stands once."""
    found: dict[str, str] = {}
    for block in blocks[:1]:
        found[f"{plain(question.metric)} by method"] = block["anchor"]
    for part in parts:
        found.setdefault(part["title"], part["anchor"])
    found["What could overturn this"] = "doubts"
    found["Methods"] = "methods"
    found["How to reproduce it"] = "again"
    return [(anchor, title) for title, anchor in found.items()]


def _spaces(question: Question) -> Cells:
    """The search, methods with equal spaces together."""
    found: dict[tuple[str, str], list[str]] = {}
    for (block, label), spaces in question.spaces.items():
        name = f"{plain(label, 60)} ({plain(block, 40)})" if block else plain(label, 60)
        for key, space in spaces.items():
            found.setdefault((key, space), []).append(name)
    rows = [
        (key, space, "all" if len(names) == len(question.methods) else ", ".join(names))
        for (key, space), names in found.items()
    ]
    return cells(pd.DataFrame(rows, columns=["key", "space", "methods"]))


def _measured(question: Question, runs: pd.DataFrame) -> Cells:
    """Every measured run with the digest of its parameters; nothing where there are too many."""
    if not len(runs):
        return Cells([], [], [])
    chosen = runs[runs["phase"] == "measure"]
    if len(chosen) > LISTED:
        return Cells([], [], [])
    names = {
        "block": "block",
        "method": "method",
        "repeat": "repeat",
        "status": "status",
        question.metric: plain(question.metric),
        "diverged_at": "diverged at step",
        "reason": "reason",
        "seconds": "seconds",
        "digest": "SHA-256 of the final parameters",
    }
    frame = chosen[[name for name in names if name in chosen]]
    frame = frame.set_axis([names[str(name)] for name in frame.columns], axis=1)
    if "diverged at step" in frame:
        frame["diverged at step"] = frame["diverged at step"].where(frame["status"] == "diverged")
    frame = frame.replace("", None).dropna(axis=1, how="all")
    return cells(
        frame.drop(columns="block") if len(question.blocks) < 2 and "block" in frame else frame
    )
