"""How much the tuned key matters: every trial, by method; one that was stopped early is hollow."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

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

POINTS = 2000  # in the figure


class Trial(NamedTuple):
    """A point of the figure.

    score: the mean over its repeats; NaN where one diverged.
    whole: whether it was trained to the end.
    """

    value: float
    score: float
    whole: bool


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
    total = sum(map(len, points.values()))
    picked = {row["method"]: row[key] for row in rows}
    points = {label: _some(points[label], POINTS // len(points), picked[label]) for label in points}
    figure = Figure()
    ax = figure.add_subplot()
    alone, lost = len(question.tuned) == 1, 0
    for label in sorted(points, key=lambda label: shown.get(label) is not None):
        color, marker, dash = shown.get(label) or (OTHERS, ".", "-")
        x, y, whole = np.array(points[label], dtype=float).T
        fine, whole = np.isfinite(y), whole.astype(bool)
        # Scores of different steps are not joined: the line would show lengths, not values.
        line = dash if alone and whole[fine].all() else "none"
        ax.plot(x[fine & whole], y[fine & whole], marker=marker, ls=line, lw=1, color=color)
        hollow = {"marker": marker, "ls": "none", "mfc": "none", "mec": color, "mew": 0.8}
        ax.plot(x[fine & ~whole], y[fine & ~whole], **hollow)
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
    if not np.isfinite([one.score for trials in points.values() for one in trials]).any():
        ax.set_yticks([])
    ax.set_xlabel(plain(key, 48))
    ax.set_ylabel(axis_title(question.selected_by))
    legend(ax, {label: shown.get(label) for label in points}, marker=True)
    stopped = any(not one.whole for trials in points.values() for one in trials)
    hollow = "; hollow ones were stopped early, their values being those of then" if stopped else ""
    crosses = "; crosses at the edge diverged" if lost else ""
    kept = sum(map(len, points.values()))
    some = f" ({kept:,} of {total:,})" if kept < total else ""
    title = f"Tuning trials{some}: {axis_title(question.selected_by)} against {plain(key, 48)}"
    title += f", the selected one ringed{hollow}{crosses}"
    return Drawing(block, title, f"{title}.", figure)


def _trials(
    question: Question, runs: list[Record], order: list[str], key: str
) -> dict[str, list[Trial]]:
    """Per method its trials, by value."""
    seen: dict[tuple[str, float, Any], list[Record]] = {}
    for run in tuning(runs, question.selected_by):
        value = run.get(key)
        if run["status"] != "failed" and isinstance(value, (int, float)):
            seen.setdefault((run["method"], float(value), run["trial"]), []).append(run)
    lengths = _lengths(runs) if question.stopping else {}
    found: dict[str, list[Trial]] = {}
    for (method, value, _), repeats in sorted(seen.items(), key=lambda item: item[0]):
        score = float(np.mean([_score(question, run) for run in repeats]))
        whole = all((run.get("steps") or 0) >= lengths.get(method, 0) for run in repeats)
        found.setdefault(method, []).append(Trial(value, score, whole))
    return {label: found[label] for label in order if label in found}


def _some(trials: list[Trial], most: int, chosen: Any) -> list[Trial]:
    """At most so many, evenly over the values; more would be a blot, and a slow page."""
    if len(trials) <= most:
        return trials
    places = {i * len(trials) // most for i in range(most)}
    return [one for i, one in enumerate(trials) if i in places or one.value == chosen]


def _score(question: Question, run: Record) -> float:
    score = run.get(question.selected_by)
    return math.nan if run["status"] == "diverged" or score is None else float(score)


def _lengths(runs: list[Record]) -> dict[str, int]:
    """How far each method's trials were trained at most."""
    found: dict[str, int] = {}
    for run in runs:
        if run["phase"] == "tune":
            found[run["method"]] = max(found.get(run["method"], 0), run.get("steps") or 0)
    return found


def _ring(
    ax: Axes,
    question: Question,
    rows: list[Record],
    points: dict[str, list[Trial]],
    key: str,
) -> None:
    """A ring around each method's selected trial."""
    for row in rows:
        for one in points.get(row["method"], ()):
            if one.value == row[key] and np.isfinite(one.score):
                ax.plot([one.value], [one.score], "o", ms=9, mfc="none", mec=INK, mew=0.8)


def _logarithmic(question: Question, block: str, key: str, points: dict[str, list[Trial]]) -> bool:
    spaces = [question.spaces.get((block, label), {}).get(key, "") for label in points]
    positive = all(one.value > 0 for trials in points.values() for one in trials)
    return positive and any("log" in space for space in spaces)
