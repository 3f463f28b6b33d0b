"""A study's blocks as problems and its methods as contestants: the largest table without a hole."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import count, listing, plain

DIVERGED = ("diverged", "partly diverged")


class Board(NamedTuple):
    """What every method reached on every problem.

    problems, methods: their labels, in the order of the config.
    means: `[problems, methods]`, the mean over repeats in the metric's unit; of a method that diverged
        in any repeat there, minus or plus infinity, whichever is worst.
    scores: the same with larger being better.
    left_out: sentences on problems and methods that are not in it.
    """

    problems: list[str]
    methods: list[str]
    means: np.ndarray
    scores: np.ndarray
    left_out: list[str]


def board(question: Question, table: list[Record]) -> Board:
    """Lay a table out by problem and method.

    A method that was not measured on a problem, or failed there, leaves a hole. Whichever of
    problems and methods has the largest part missing is left out first, until no hole remains.

    Args:
        question: what was asked.
        table: its table, as records.
    """
    sign = 1.0 if question.mode == "max" else -1.0
    labels = list(dict.fromkeys(label for _, label in question.methods))
    cells = {(row["block"], row["method"]): _score(row, sign) for row in table}
    scores = np.array([[cells.get((b, m), math.nan) for m in labels] for b in question.blocks])
    scores = scores.reshape(len(question.blocks), len(labels))
    rows, columns = _without_holes(np.isnan(scores))
    kept = scores[np.ix_(rows, columns)]
    problems, methods = [question.blocks[i] for i in rows], [labels[j] for j in columns]
    gone = _left_out("problem", [b for b in question.blocks if b not in problems], "some method")
    gone += _left_out("method", [m for m in labels if m not in methods], "some problem")
    return Board(problems, methods, sign * kept, kept, gone)


def _score(row: Record, sign: float) -> float:
    if row["status"] in DIVERGED:
        return -math.inf
    return math.nan if row["mean"] is None or row["status"] != "ok" else sign * float(row["mean"])


def _without_holes(hole: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows and columns that are left when none of their cells is missing."""
    rows, columns = list(range(hole.shape[0])), list(range(hole.shape[1]))
    while rows and columns:
        left = hole[np.ix_(rows, columns)]
        if not left.any():
            break
        by_row, by_column = left.mean(axis=1), left.mean(axis=0)
        if by_row.max() > by_column.max():
            del rows[int(by_row.argmax())]
        else:
            del columns[int(by_column.argmax())]
    return (rows, columns) if rows and columns else ([], [])


def _left_out(noun: str, names: list[str], other: str) -> list[str]:
    if not names:
        return []
    said = listing([plain(name, 60) for name in names])
    return [
        f"Left out: {count(len(names), noun)} ({said}), for want of a measured repeat of {other}."
    ]
