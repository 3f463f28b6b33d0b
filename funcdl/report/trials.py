"""The trials of each method's search, from its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from funcdl.report.question import Question
from funcdl.report.record import Record, tuning


class Trial(NamedTuple):
    """One point of a search.

    trial: its number.
    values: tuned key -> value.
    score: the selecting metric, a mean over the trial's repeats; NaN where one of them diverged.
    whole: whether it was trained to the end.
    """

    trial: int
    values: Mapping[str, Any]
    score: float
    whole: bool


def trials(question: Question, runs: list[Record]) -> dict[tuple[str, str], list[Trial]]:
    """The trials of every (block, method) that has any, in the order of their numbers.

    A trial with a failed run is left out: a fault of the machine says nothing of its values.

    Args:
        question: what was asked.
        runs: a record per run.
    """
    seen: dict[tuple[str, str], dict[int, list[Record]]] = {}
    for run in tuning(runs, question.selected_by):
        of_method = seen.setdefault((run["block"], run["method"]), {})
        of_method.setdefault(run["trial"], []).append(run)
    found = {
        where: _of_method(question, seen[where]) for where in question.methods if where in seen
    }
    return {where: those for where, those in found.items() if those}


def thinned(points: Sequence[Trial], most: int, chosen: int | None) -> list[Trial]:
    """At most so many of the trials, evenly over their numbers, the chosen one among them.

    Numbers are in the order of the sampler, which has nothing to do with scores.
    """
    if len(points) <= most:
        return list(points)
    places = {i * len(points) // most for i in range(most)}
    kept = [one for i, one in enumerate(points) if i in places and one.trial != chosen]
    return [*kept[: most - 1], *(one for one in points if one.trial == chosen)]


def _of_method(question: Question, seen: dict[int, list[Record]]) -> list[Trial]:
    steps = [run.get("steps") or 0 for runs in seen.values() for run in runs]
    full = max(steps) if question.stopping else 0
    return [
        _trial(question, number, runs, full)
        for number, runs in sorted(seen.items())
        if all(run["status"] != "failed" for run in runs)
    ]


def _trial(question: Question, number: int, runs: list[Record], full: int) -> Trial:
    values = {key: runs[0][key] for key in question.tuned if runs[0].get(key) is not None}
    scores = [_score(question, run) for run in runs]
    whole = all((run.get("steps") or 0) >= full for run in runs)
    return Trial(number, values, math.fsum(scores) / len(scores), whole)


def _score(question: Question, run: Record) -> float:
    score = run.get(question.selected_by)
    return math.nan if run["status"] == "diverged" or score is None else float(score)
