"""A study's report folder: the page and the two tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from funcdl.report.answer import Answer, answer
from funcdl.report.csvfile import csv
from funcdl.report.files import FILES
from funcdl.report.page import page
from funcdl.report.question import Question
from funcdl.store.files import explained, write_whole


def write(
    folder: str | Path, question: Question, runs: pd.DataFrame, metrics: pd.DataFrame
) -> Answer:
    """Write `report/index.html`, `report/table.csv` and `report/comparisons.csv`, each whole.

    Args:
        folder: the study's folder.
        question: what was asked.
        runs: a row per run, as `fd.load(folder).runs` gives it; finished or not.
        metrics: a row per run, step and metric.

    Returns:
        The answer that the files show.

    Raises:
        StoreError: a file cannot be written.
    """
    found = answer(question, runs)
    report = Path(folder) / "report"
    with explained(report):
        report.mkdir(parents=True, exist_ok=True)
    texts = (
        csv(found.table),
        csv(found.comparisons),
        page(question, found, runs, metrics),
    )
    for name, text in zip(FILES, texts, strict=True):
        write_whole(report / name, text.encode("utf-8", "replace"))
    return found
