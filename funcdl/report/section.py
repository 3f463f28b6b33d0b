"""A part of the report that answers a question of its own: words, tables and drawings."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from funcdl.report.figures.drawing import Drawing
from funcdl.report.material import Material

if TYPE_CHECKING:
    from funcdl.report.answer import Answer

# In the order of the page. Each is a function `(material, answer) -> Iterable[Section]` that gives
# nothing where the study has nothing to say of its subject.
SECTIONS: tuple[str, ...] = (
    "funcdl.report.sections.effects:effects",
    "funcdl.report.sections.repeats:repeats",
    "funcdl.report.sections.free:free",
    "funcdl.report.sections.other_metrics:other_metrics",
    "funcdl.report.sections.across:across",
    "funcdl.report.sections.target:target",
    "funcdl.report.sections.variance:variance",
    "funcdl.report.sections.search:protocol",
    "funcdl.report.sections.search:search",
    "funcdl.report.sections.calibration:calibration",
    "funcdl.report.sections.data:data",
    "funcdl.report.sections.budget:budget",
    "funcdl.report.sections.joined:joined",
    "funcdl.report.sections.costs:costs",
)


class Grid(NamedTuple):
    """A table for the page, and for a file of its own.

    name: of the file, without its ending.
    caption: what it shows, in a sentence.
    frame: its rows; columns are named as a reader should see them.
    """

    name: str
    caption: str
    frame: pd.DataFrame


class Section(NamedTuple):
    """A part of the page.

    name: short and stable, such as "budget"; part of file names.
    title: its heading.
    block: the block it speaks of; empty for the whole study.
    paragraphs: plain text, escaped by whoever shows it.
    grids, drawings: what it shows.
    """

    name: str
    title: str
    block: str = ""
    paragraphs: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    drawings: tuple[Drawing, ...] = ()


def sections(material: Material, answer: Answer) -> Iterator[Section]:
    """All sections that have something to say, in the order of the page."""
    for place in SECTIONS:
        module, _, name = place.partition(":")
        make: Callable = getattr(importlib.import_module(module), name)
        yield from make(material, answer)
