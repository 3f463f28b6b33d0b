"""How much the tuned key matters: every trial, by method."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from funcdl.report.figures.drawing import (
    INK,
    OTHERS,
    Drawing,
    Looks,
    axis_title,
    legend,
    plain_log,
)
from funcdl.report.question import Question
from funcdl.report.record import Record, tuning
from funcdl.report.wording import plain


def sensitivity(
    question: Question,
    runs: list[Record],
    rows: list[Record],
    block: str,
    key: str,
    shown: Looks,
) -> Drawing | None:
    """The metric that selected, against one tuned key."""
    points = _trials(question, runs, question.labels(block), key)
    if not points:
        return None
    figure = Figure()
    ax = figure.add_subplot()
    alone, lost = len(question.tuned) == 1, 0
    for label in sorted(points, key=lambda label: shown.get(label) is not None):
        color, marker, dash = shown.get(label) or (OTHERS, ".", "-")
        x, y = np.array(points[label], dtype=float).T
        fine = np.isfinite(y)
        line = dash if alone else "none"
        ax.plot(x[fine], y[fine], marker=marker, ls=line, lw=1, color=color)
        if not fine.all():
            edge = 0.025 + 0.03 * lost  # one row of crosses per method, so that none hides another
            place = np.full((~fine).sum(), edge if question.mode == "max" else 1 - edge)
            border = ax.get_xaxis_transform()
            ax.plot(x[~fine], place, "x", transform=border, color=color, clip_on=False)
            lost += 1
    _ring(ax, question, rows, points, key)
    if _logarithmic(question, block, key, points):
        ax.set_xscale("log")
        plain_log(ax.xaxis)
    if not np.isfinite([score for trials in points.values() for _, score in trials]).any():
        ax.set_yticks([])
    ax.set_xlabel(plain(key, 48))
    ax.set_ylabel(axis_title(question.selected_by))
    legend(ax, {label: shown.get(label) for label in points}, marker=True)
    crosses = "; crosses at the edge diverged" if lost else ""
    title = f"Tuning trials: {axis_title(question.selected_by)} against {plain(key, 48)}"
    title += f", the selected one ringed{crosses}"
    return Drawing(block, title, f"{title}.", figure)


def _trials(
    question: Question, runs: list[Record], order: list[str], key: str
) -> dict[str, list[list[float]]]:
    """Per method its trials as (value, mean metric), by value; NaN: diverged."""
    seen: dict[tuple[str, float, Any], list[float]] = {}
    for run in tuning(runs, question.selected_by):
        value, score = run.get(key), run.get(question.selected_by)
        if run["status"] == "failed" or not isinstance(value, (int, float)):
            continue
        score = math.nan if run["status"] == "diverged" or score is None else float(score)
        seen.setdefault((run["method"], float(value), run["trial"]), []).append(score)
    found: dict[str, list[list[float]]] = {}
    for (method, value, _), scores in sorted(seen.items()):
        found.setdefault(method, []).append([value, float(np.mean(scores))])
    return {label: found[label] for label in order if label in found}


def _ring(
    ax: Axes,
    question: Question,
    rows: list[Record],
    points: dict[str, list[list[float]]],
    key: str,
) -> None:
    """A ring around each method's selected trial."""
    for row in rows:
        for value, score in points.get(row["method"], ()):
            if value == row[key] and np.isfinite(score):
                ax.plot([value], [score], "o", ms=9, mfc="none", mec=INK, mew=0.8)


def _logarithmic(
    question: Question, block: str, key: str, points: dict[str, list[list[float]]]
) -> bool:
    spaces = [question.spaces.get((block, label), {}).get(key, "") for label in points]
    positive = all(value > 0 for trials in points.values() for value, _ in trials)
    return positive and any("log" in space for space in spaces)
