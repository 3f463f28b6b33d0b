"""The answer to a study's question: a table, its tests, a sentence and its caveats."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from funcdl.report.caveats import warnings
from funcdl.report.comparisons import comparisons
from funcdl.report.evidence import Evidence
from funcdl.report.material import Material
from funcdl.report.record import records
from funcdl.report.sentence import sentence
from funcdl.report.table import table


class Answer(NamedTuple):
    """What a study found.

    table: a row per method and block; see `funcdl.report.table`.
    comparisons: a row per contrast; see `funcdl.report.comparisons`.
    sentence: the answer in one sentence per block.
    warnings: what could overturn it, as far as the runs tell.
    """

    table: pd.DataFrame
    comparisons: pd.DataFrame
    sentence: str
    warnings: tuple[str, ...]


def answer(material: Material) -> Answer:
    """Answer a study's question from its runs, finished or not."""
    question, evidence = material.question, Evidence(material)
    rows, tests = table(material, evidence), comparisons(material, evidence)
    plain_rows, plain_tests = records(rows), records(tests)
    said = sentence(question, plain_rows, plain_tests)
    found = warnings(question, evidence.records, plain_rows, plain_tests)
    return Answer(rows, tests, said, tuple(found))
