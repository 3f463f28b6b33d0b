"""A study's report folder: the page and the two tables."""

from __future__ import annotations

from pathlib import Path

from funcdl.report.answer import Answer, answer
from funcdl.report.csvfile import csv
from funcdl.report.files import FILES
from funcdl.report.material import Material
from funcdl.report.page import page
from funcdl.report.section import sections
from funcdl.store.files import explained, write_whole


def write(folder: str | Path, material: Material) -> Answer:
    """Write `report/index.html`, `report/table.csv` and `report/comparisons.csv`, each whole.

    Args:
        folder: the study's folder.
        material: what the report is made from.

    Returns:
        The answer that the files show.

    Raises:
        StoreError: a file cannot be written.
    """
    found = answer(material)
    report = Path(folder) / "report"
    with explained(report):
        report.mkdir(parents=True, exist_ok=True)
    texts = (
        csv(found.table),
        csv(found.comparisons),
        page(material, found, list(sections(material, found))),
    )
    for name, text in zip(FILES, texts, strict=True):
        write_whole(report / name, text.encode("utf-8", "replace"))
    return found
