"""All figures of a study, in the order of the page."""

from __future__ import annotations

import pandas as pd

from funcdl.report.figures.curve import curves
from funcdl.report.figures.drawing import Drawing, Looks, style
from funcdl.report.figures.intervals import intervals
from funcdl.report.figures.learning import learning
from funcdl.report.figures.palette import looks
from funcdl.report.figures.sensitivity import sensitivity
from funcdl.report.matrix import ranked
from funcdl.report.question import Question
from funcdl.report.record import Record, measured

READABLE = 12  # methods with a look of their own; of more, the first few by rank and the rest grey
FIRST = 7


def drawings(
    question: Question, table: list[Record], runs: list[Record], metrics: pd.DataFrame
) -> list[Drawing]:
    """Every figure that the runs so far allow, block by block.

    Args:
        question: what was asked.
        table: its table, as records.
        runs: a record per run.
        metrics: a row per run, step and metric.
    """
    finished = {run["id"] for run in measured(runs, question.metric) if run["status"] == "ok"}
    found: list[Drawing | None] = []
    with style():
        for block in question.blocks:
            rows = ranked(table, block)
            shown = looks_in(question, rows, block)
            found.append(intervals(question, rows, block, shown))
            for metric in dict.fromkeys((question.selected_by, "train/loss")):
                lines = curves(question, metrics, finished, block, metric)
                found.append(learning(question, lines, block, metric, shown))
            for key in question.tuned:
                trials = [run for run in runs if run["block"] == block]
                drawn = sensitivity(question, trials, rows, block, key, shown)
                found.append(drawn._replace(name=f"sensitivity {key}") if drawn else None)
    return [drawing for drawing in found if drawing is not None]


def looks_in(question: Question, rows: list[Record], block: str) -> Looks:
    """A look per method; None where there are too many to tell apart and this one is not ahead."""
    labels = question.labels(block)
    if len(labels) <= READABLE:
        return looks(labels)
    return dict.fromkeys(labels) | looks([row["method"] for row in rows[:FIRST]])
