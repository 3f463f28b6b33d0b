"""Everything a report shows beside its words, each thing with the name of its files."""

from __future__ import annotations

import re
from typing import NamedTuple

from funcdl.report.answer import Answer
from funcdl.report.figures.drawing import Drawing
from funcdl.report.figures.gallery import drawings
from funcdl.report.material import Material
from funcdl.report.record import records
from funcdl.report.section import Grid, Section, sections
from funcdl.report.wording import plain

_LONGEST = 80


class Chapter(NamedTuple):
    """A section, with names for what it shows."""

    section: Section
    grids: tuple[tuple[str, Grid], ...]
    drawings: tuple[tuple[str, Drawing], ...]


class Exhibits(NamedTuple):
    """A report's figures and tables.

    main: the answer's own figures, by block.
    chapters: the sections.
    """

    main: tuple[tuple[str, Drawing], ...]
    chapters: tuple[Chapter, ...]

    @property
    def drawings(self) -> list[tuple[str, Drawing]]:
        """All figures, in the order of the page."""
        return [*self.main, *(one for chapter in self.chapters for one in chapter.drawings)]

    @property
    def grids(self) -> list[tuple[str, Grid]]:
        """All tables of sections, in the order of the page."""
        return [one for chapter in self.chapters for one in chapter.grids]


def exhibits(material: Material, answer: Answer) -> Exhibits:
    """Draws and lists everything, in the order of the page."""
    question = material.question
    several, of_drawings, of_grids = len(question.blocks) > 1, Names(), Names()

    def named(drawing: Drawing, name: str) -> tuple[str, Drawing]:
        return of_drawings(name, plain(drawing.block) if several else ""), drawing

    main = drawings(question, records(answer.table), records(material.runs), material.metrics)
    first = tuple(named(one, one.name or "figure") for one in main)
    chapters = []
    for section in sections(material, answer):
        block = plain(section.block) if several else ""
        grids = tuple((of_grids(grid.name, block), grid) for grid in section.grids)
        drawn = tuple(named(one, one.name or section.name) for one in section.drawings)
        chapters.append(Chapter(section, grids, drawn))
    return Exhibits(first, tuple(chapters))


class Names:
    """Names for files, from whatever words: safe on every system, and each given once.

    >>> names = Names()
    >>> names("sensitivity optimizer.b1"), names("模型"), names("../x y"), names("X-y")
    ('sensitivity-optimizer.b1', 'unnamed', 'x-y', 'X-y-2')
    """

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, *words: str) -> str:
        """A name from these words, with a number where it was given before."""
        text = re.sub(r"[^A-Za-z0-9._]+", "-", " ".join(filter(None, words)))
        base = text[:_LONGEST].strip("-._") or "unnamed"
        name, number = base, 1
        while name.casefold() in self._given:
            number += 1
            name = f"{base}-{number}"
        self._given.add(name.casefold())
        return name
