"""Scores pooled over problems, where there are enough of both problems and repeats."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from funcdl.report.board import Board
from funcdl.report.figures.drawing import Drawing, Looks
from funcdl.report.figures.gallery import FIRST, READABLE
from funcdl.report.figures.palette import looks
from funcdl.report.figures.profile import profile
from funcdl.report.level import level as words
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.record import WITHOUT, measured, records
from funcdl.report.section import Grid
from funcdl.report.spread import independent
from funcdl.report.wording import count
from funcdl.stats.across.aggregate import REPETITIONS, iqm, optimality_gap, stratified
from funcdl.stats.across.normalise import by_pool
from funcdl.stats.across.profile import REPETITIONS as BANDS
from funcdl.stats.across.profile import run_profile
from funcdl.stats.across.ranking import mean_ranks
from funcdl.stats.sequential import level_at

PROBLEMS, REPEATS = 8, 3  # below, a pooled score says less than the table of means does
NUMBERS = 20_000_000  # resampled in all, as far as the fewest repetitions allow
LEVELS = 61
DEPENDENT = (
    "Scores are not pooled over problems: the bootstrap of their intervals takes repeats as independent, "
    "and these cross a few draws or split the same data."
)

Parts = tuple[list[str], list[Grid], list[Drawing]]


def pooled(material: Material, found: Board) -> Parts:
    """Interquartile means, optimality gaps and run-score profiles of normalised scores."""
    question = material.question
    if len(found.problems) < PROBLEMS:
        return [], [], []
    cells = _cells(material, found)
    scaled = by_pool(cells)
    fewest = min(len(row[i]) for row in cells for i in range(len(found.problems)))
    if len(scaled.kept) < PROBLEMS or fewest < REPEATS:
        return [], [], []
    if not independent(question):
        return [DEPENDENT], [], []
    level = level_at(question.alpha, question.looks)
    order = mean_ranks(found.scores).argsort(kind="stable")
    labels = [found.methods[j] for j in order]
    strata = {found.methods[j]: scaled.scores[j] for j in order}
    runs = sum(len(one) for row in strata.values() for one in row)
    repetitions = int(np.clip(NUMBERS // runs, BANDS, REPETITIONS))
    rows = [_row(label, strata[label], level, repetitions) for label in labels]
    names = ["IQM", "IQM low", "IQM high", "gap", "gap low", "gap high"]
    frame = pd.DataFrame(rows, columns=["method", "runs", *names])
    percent = words(question)
    grid = Grid("across-pooled", _caption(question, len(scaled.kept), percent), frame)
    return [_said(len(found.problems), scaled.kept)], [grid], [_profile(strata, level, percent)]


def _cells(material: Material, found: Board) -> list[list[np.ndarray]]:
    """`[method][problem]`: the runs' scores, larger is better, minus infinity where one diverged."""
    question, runs = material.question, material.runs
    names = ["block", "method", "repeat", "phase", "status", question.metric]
    known = [name for name in names if name in runs]
    rows = measured(records(runs.loc[runs["phase"] == "measure", known]), question.metric)
    sign = 1.0 if question.mode == "max" else -1.0
    values: dict[tuple[str, str], list[float]] = {}
    for run in rows:
        if run["status"] not in WITHOUT:
            lost = run["status"] == "diverged" or run.get(question.metric) is None
            score = -math.inf if lost else sign * run[question.metric]
            values.setdefault((run["block"], run["method"]), []).append(score)
    return [
        [np.array(values.get((problem, label), [])) for problem in found.problems]
        for label in found.methods
    ]


def _row(label: str, strata: list[np.ndarray], level: float, repetitions: int) -> tuple:
    ends = [
        stratified(strata, statistic, level=level, repetitions=repetitions)[1:4]
        for statistic in (iqm, optimality_gap)
    ]
    return (label, sum(map(len, strata)), *ends[0], *ends[1])


def _profile(strata: Mapping[str, list[np.ndarray]], level: float, percent: str) -> Drawing:
    every = np.concatenate([one for row in strata.values() for one in row])
    low, high = np.quantile(every, (0.01, 0.99))
    levels = np.linspace(min(low, 0.0), max(high, 1.0), LEVELS)
    shown = chosen(list(strata))
    found = {label: run_profile(row, levels, level=level) for label, row in strata.items()}
    return profile(found, shown, percent)


def chosen(labels: list[str]) -> Looks:
    """A look for each label, or only for the first few of many; `labels` are best first."""
    if len(labels) <= READABLE:
        return looks(labels)
    return dict.fromkeys(labels) | looks(labels[:FIRST])


def _said(problems: int, kept: list[int]) -> str:
    gone = problems - len(kept)
    left = (
        f" {count(gone, 'problem')} on which all means are equal cannot be scaled." if gone else ""
    )
    return (
        "For the pooled scores each problem's lowest mean is 0 and its highest is 1, lowest and highest "
        "among the methods of this study: another method in the pool can move every number. A run that "
        f"diverged counts as the lowest of its problem.{left}"
    )


def _caption(question: Question, problems: int, level: str) -> str:
    return (
        f"All runs on {count(problems, 'problem')} on one scale: the interquartile mean (IQM, the mean of "
        f"the middle half) and the optimality gap (how far runs fall short of 1 on average; smaller is "
        f"better), with {level} bootstrap intervals over repeats. They speak of these problems only."
    )
