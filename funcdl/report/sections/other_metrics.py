"""The metrics that no verdict is read from: described, not tested."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.evidence import Evidence
from funcdl.report.material import Material
from funcdl.report.matrix import ranked
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.section import Grid, Section
from funcdl.report.wording import number, plain


def other_metrics(material: Material, answer: Answer) -> Iterator[Section]:
    """One section per block with test metrics beside the selected one's."""
    question = material.question
    evidence = Evidence(material)
    table = records(answer.table)
    names = [
        str(name)
        for name in material.runs.columns
        if str(name).startswith("test/") and name != question.metric
    ]
    for block in question.blocks:
        groups = {
            row["method"]: [
                run
                for run in evidence.methods.get((block, row["method"]), {}).values()
                if run["status"] == "ok"
            ]
            for row in ranked(table, block)
        }
        found = _frame(groups, names)
        if len(found.columns) > 2:
            text = _text(question)
            caption = (
                "Mean ± standard deviation over the finished repeats, in the order of the table."
            )
            grid = Grid("other_metrics", caption, found)
            yield Section("other_metrics", "Other metrics", block, (text,), (grid,))


def _text(question: Question) -> str:
    return (
        f"These were measured beside {plain(question.metric)}, on the same runs. They are described and "
        f"not tested: the study chose and judged by {plain(question.selected_by)} and "
        f"{plain(question.metric)}, and whoever tests every metric finds a difference by chance."
    )


def _frame(groups: dict[str, list[Record]], names: list[str]) -> pd.DataFrame:
    groups = {method: runs for method, runs in groups.items() if runs}
    columns: dict[str, list[str]] = {
        "method": [plain(method, 60) for method in groups],
        "n": [str(len(runs)) for runs in groups.values()],
    }
    for name in names:
        cells = [_values(runs, name) for runs in groups.values()]
        if any(len(x) for x in cells):
            columns[plain(name, 40)] = [_cell(x, _digits(cells)) for x in cells]
    return pd.DataFrame(columns)


def _values(runs: list[Record], name: str) -> np.ndarray:
    values = np.array([run[name] for run in runs if run.get(name) is not None], np.float64)
    return values[np.isfinite(values)]


def _digits(cells: list[np.ndarray]) -> int:
    """Two digits of the typical deviation."""
    known = [float(x.std(ddof=1)) for x in cells if len(x) > 1 and np.ptp(x)]
    if not known:
        return 4
    return min(8, max(0, 1 - int(np.floor(np.log10(float(np.median(known)))))))


def _cell(x: np.ndarray, digits: int) -> str:
    if not len(x):
        return number(None)
    spread = f" ± {number(float(x.std(ddof=1)), digits)}" if len(x) > 1 else ""
    return f"{number(float(x.mean()), digits)}{spread}"
