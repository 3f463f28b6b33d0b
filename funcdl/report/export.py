"""The files of a report: what the page shows, for papers and for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from funcdl.report.cells import cells
from funcdl.report.csvfile import csv
from funcdl.report.figures.drawing import Drawing
from funcdl.report.figures.printing import pdf, png
from funcdl.report.figures.svg import in_file
from funcdl.report.latex import latex
from funcdl.report.markdown import markdown
from funcdl.report.section import Grid

PRINTED = 40  # figures that get a PDF and a PNG beside their SVG; a quarter of a second each


def tables(
    name: str, caption: str, exact: pd.DataFrame, shown: pd.DataFrame | None = None
) -> Iterator[tuple[str, bytes]]:
    """A table as CSV in full precision, and as Markdown and LaTeX for people.

    Args:
        name: of the files, without ending.
        caption: what it shows.
        exact: the numbers.
        shown: what a reader sees of them, if not the same.
    """
    header, rows, right = cells(exact if shown is None else shown)
    label = name.rpartition("/")[2]
    yield f"{name}.csv", _bytes(csv(exact))
    yield f"{name}.md", _bytes(markdown(header, rows, right, caption=caption))
    yield f"{name}.tex", _bytes(latex(header, rows, right, caption=caption, label=label))


def grids(named: Iterable[tuple[str, Grid]]) -> Iterator[tuple[str, bytes]]:
    """The tables of all sections, in a folder of their own."""
    for name, grid in named:
        yield from tables(f"tables/{name}", grid.caption, grid.frame)


def pictures(
    named: Sequence[tuple[str, Drawing, str]], blocks: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """The figures as SVG; `PRINTED` of them as PDF and PNG too, those of the first blocks.

    Args:
        named: name, drawing, and its SVG as `figures.svg.drawn` gave it.
        blocks: the study's, in its order; figures over all of them come before those of any.
    """
    order = {block: i for i, block in enumerate(blocks)}
    first = sorted(named, key=lambda one: order.get(one[1].block, -1))
    printed = {name for name, _, _ in first[:PRINTED]}
    for name, drawing, text in named:
        yield f"figures/{name}.svg", _bytes(in_file(text, drawing.alt))
        if name in printed:
            yield f"figures/{name}.pdf", pdf(drawing.figure)
            yield f"figures/{name}.png", png(drawing.figure)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
