"""How one method gets its numbers: a search, a choice, and fresh repeats of the chosen trial.

Everything is a pure function of the study and of the outcomes so far. That is what makes resuming,
growing a study and reporting the same question: which runs are due, and which of them are there?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from funcdl.train.streams import STREAMS


class Outcome(NamedTuple):
    """What the search sees of a finished run.

    status: "ok", "diverged" or "failed".
    score: the selecting metric on validation data; None unless `status` is "ok".
    loss: the validation loss, which breaks ties; None where there is none.
    """

    status: str
    score: float | None
    loss: float | None


class Run(NamedTuple):
    """One training run of a method.

    id: identity of everything that determines its bits.
    phase: "tune" or "measure".
    trial: index of the point of the search space; `tuned` holds its values.
    repeat: the replicate; `streams` says at which repeat each random stream is.
    """

    id: str
    phase: str
    trial: int
    repeat: int
    streams: Mapping[str, int]
    tuned: Mapping[str, Any]


class Contest(NamedTuple):
    """One method on one block, and the rules it is searched and measured by.

    compare: axis -> label.
    trials: how many points of its space are tried.
    tune_repeats, repeats: replicates of each trial, and of the chosen one.
    vary: the streams that differ between replicates; the others stay at replicate 0.
    maximise: whether a greater score is better.
    make: `make(phase, trial, repeat, streams) -> Run`.
    """

    block: str
    method: str
    compare: Mapping[str, str]
    trials: int
    tune_repeats: int
    repeats: int
    vary: tuple[str, ...]
    maximise: bool
    make: Callable[[str, int, int, Mapping[str, int]], Run]


def due(contest: Contest, outcomes: Mapping[str, Outcome]) -> list[Run]:
    """All runs the contest is known to need, given what has come out so far.

    Args:
        contest: the method and its rules.
        outcomes: run id -> outcome, of any study.

    Returns:
        The tuning runs; once all of them have an outcome, also the measuring runs of the chosen
        trial. A method with nothing to search goes straight to measuring.
    """
    tuning = _tuning_runs(contest)
    if any(run.id not in outcomes for run in tuning):
        return tuning
    trial = chosen(contest, outcomes)
    if trial is None:
        return tuning
    return tuning + [_run(contest, "measure", trial, r) for r in range(contest.repeats)]


def most(contest: Contest) -> int:
    """How many runs the contest takes in the end."""
    searched = contest.trials > 1
    return searched * contest.trials * contest.tune_repeats + contest.repeats


def chosen(contest: Contest, outcomes: Mapping[str, Outcome]) -> int | None:
    """The trial that is measured: best mean validation score over the tuning replicates.

    A trial that diverged in any replicate is worse than all that did not; ties go to the lower
    validation loss, then to the earlier trial. None if every trial failed for another reason.
    """
    if contest.trials == 1:
        return 0
    by_trial: dict[int, list[Outcome]] = {}
    for run in _tuning_runs(contest):
        by_trial.setdefault(run.trial, []).append(outcomes[run.id])
    ranked = sorted(by_trial, key=lambda trial: (*_badness(contest, by_trial[trial]), trial))
    worst_is_failure = all(o.status == "failed" for o in by_trial[ranked[0]])
    return None if worst_is_failure else ranked[0]


def _badness(contest: Contest, outcomes: list[Outcome]) -> tuple[int, float, float]:
    if any(o.status == "failed" for o in outcomes):
        return 2, 0.0, 0.0
    if any(o.status == "diverged" or o.score is None for o in outcomes):
        return 1, 0.0, 0.0
    score = math.fsum(o.score for o in outcomes if o.score is not None) / len(outcomes)
    loss = math.fsum(math.inf if o.loss is None else o.loss for o in outcomes) / len(outcomes)
    return 0, -score if contest.maximise else score, loss


def _tuning_runs(contest: Contest) -> list[Run]:
    if contest.trials == 1:
        return []
    return [
        _run(contest, "tune", trial, repeat)
        for trial in range(contest.trials)
        for repeat in range(contest.tune_repeats)
    ]


def _run(contest: Contest, phase: str, trial: int, repeat: int) -> Run:
    streams = {stream: repeat if stream in contest.vary else 0 for stream in STREAMS}
    return contest.make(phase, trial, repeat, streams)
