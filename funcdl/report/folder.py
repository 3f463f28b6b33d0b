"""A study's report: the page, its tables and its figures, made and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from funcdl.report.answer import Answer, answer
from funcdl.report.display import pairs, results
from funcdl.report.exhibits import exhibits
from funcdl.report.export import grids, pictures, tables
from funcdl.report.figures.drawing import Drawing
from funcdl.report.figures.svg import drawn
from funcdl.report.files import FILES
from funcdl.report.material import Material
from funcdl.report.page import Part, Shown, page
from funcdl.report.protocol import short_protocol
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.wording import plain
from funcdl.store.files import explained, make_folder, write_whole


class Report(NamedTuple):
    """A report that is made and not yet written.

    answer: what it shows.
    files: name in the report's folder -> content, in the order in which they are written.
    """

    answer: Answer
    files: Mapping[str, bytes]


def write(folder: str | Path, material: Material) -> Answer:
    """Make a study's report and write it: `report/index.html`, its tables and its figures.

    Args:
        folder: the study's folder.
        material: what the report is made from.

    Returns:
        The answer that the files show.

    Raises:
        StoreError: a file cannot be written.
    """
    made = render(material)
    save(folder, made)
    return made.answer


def save(folder: str | Path, made: Report) -> None:
    """Write a report, each of its files whole, the page last.

    Raises:
        StoreError: a file cannot be written.
    """
    report = Path(folder) / "report"
    for name, content in made.files.items():
        path = report / name
        if not path.parent.is_dir():
            with explained(path.parent):
                make_folder(path.parent)
        write_whole(path, content)


def render(material: Material) -> Report:
    """Make a report: the answer, and every file that shows it."""
    found = answer(material)
    shown = exhibits(material, found)
    texts = {name: drawn(drawing.figure, name) for name, drawing in shown.drawings}

    def ready(named: tuple[tuple[str, Drawing], ...]) -> tuple[Shown, ...]:
        return tuple(Shown(d.block, plain(d.title), d.alt, texts[name]) for name, d in named)

    parts = [Part(one.section, ready(one.drawings)) for one in shown.chapters]
    files = dict(_answer_files(material.question, found))
    files |= dict(grids(shown.grids))
    drawn_all = [(name, drawing, texts[name]) for name, drawing in shown.drawings]
    files |= dict(pictures(drawn_all, material.question.blocks))
    html = page(material, found, ready(shown.main), parts)
    return Report(found, files | {FILES[-1]: html.encode("utf-8", "replace")})


def _answer_files(question: Question, found: Answer) -> Iterator[tuple[str, bytes]]:
    """The table and the comparisons, those of all blocks together."""
    table, tests = records(found.table), records(found.comparisons)
    several = len(question.blocks) > 1
    rows = {block: results(question, table, block) for block in question.blocks}
    compared = {
        block: pairs(question, [row for row in tests if row["block"] == block])
        for block in question.blocks
    }
    name = plain(question.name)
    yield from tables(
        "table",
        f"{name}: {plain(question.metric)} by method. Between repeats {short_protocol(question)}.",
        found.table,
        _joined(rows, several),
    )
    yield from tables(
        "comparisons",
        f"{name}: contrasts in {plain(question.metric)}.",
        found.comparisons,
        _joined(compared, several),
    )


def _joined(frames: Mapping[str, pd.DataFrame], several: bool) -> pd.DataFrame:
    """The blocks' frames under each other, with a column that tells them apart."""
    if not several:
        return next(iter(frames.values()))
    named = [frame.assign(block=plain(block)) for block, frame in frames.items()]
    joined = pd.concat(named, ignore_index=True)
    return joined[["block", *(name for name in joined.columns if name != "block")]]
