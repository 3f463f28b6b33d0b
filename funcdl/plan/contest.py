"""How one method gets its numbers: a search, a choice, and fresh repeats of the chosen trial.

A search has rungs: all trials are trained to the first, the best of them on to the next, and so on
(`funcdl.plan.rungs`). Without early stopping there is one rung, the full number of steps.

Everything is a pure function of the study and of the outcomes so far. That is what makes resuming,
growing a study and reporting the same question: which runs are due, and which of them are there?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from funcdl.plan.repeats import streams_at
from funcdl.plan.rungs import Rung, search_steps

FINE, DIVERGED, FAILED = range(3)  # what a trial can come to, from the best to the worst


class Outcome(NamedTuple):
    """What the search sees of a finished run.

    status: "ok", "diverged" or "failed".
    score: the selecting metric on validation data; None unless `status` is "ok".
    loss: the validation loss, which breaks ties; None where there is none.
    """

    status: str
    score: float | None
    loss: float | None


def outcome_of(status: str, final: Mapping[str, Any], metric: str) -> Outcome:
    """What the search sees of a run from its final metrics, of which `metric` selects."""
    return Outcome(status, final.get(metric), final.get("validation/loss"))


class Run(NamedTuple):
    """One training run of a method.

    id: identity of everything that determines its bits.
    phase: "tune" or "measure".
    trial: index of the point of the search space; `tuned` holds its values.
    repeat: the replicate; `streams` says at which of its values each source of chance is, such as
        the random streams "init" and "order" and, where it varies, the "split" of the data.
    until: the step it stops at, below the full number of steps; None for a whole run.
    continues: id of the run to the rung before, whose bits are the beginning of this one's; empty for
        none. It determines no bits.
    """

    id: str
    phase: str
    trial: int
    repeat: int
    streams: Mapping[str, int]
    tuned: Mapping[str, Any]
    until: int | None = None
    continues: str = ""


class Contest(NamedTuple):
    """One method on one block, and the rules it is searched and measured by.

    compare: axis -> label.
    trials: how many points of its space are tried.
    rungs: how many of them are trained how far; one rung without early stopping.
    tune_repeats, repeats: replicates of each trial, and of the chosen one. A study that adds
        repeats replaces a contest by one with more.
    vary: the streams that differ between replicates; the others stay at replicate 0.
    maximise: whether a greater score is better.
    make: `make(phase, trial, repeat, streams, until) -> Run`.
    cross: crossed streams -> their numbers of values, of the measuring runs; see
        `funcdl.plan.repeats`. In tuning runs they differ together, as `vary` says.
    """

    block: str
    method: str
    compare: Mapping[str, str]
    trials: int
    rungs: tuple[Rung, ...]
    tune_repeats: int
    repeats: int
    vary: tuple[str, ...]
    maximise: bool
    make: Callable[[str, int, int, Mapping[str, int], int | None], Run]
    cross: Mapping[str, int] = {}


Trials = dict[int, list[Run]]  # trial -> its runs to one rung, a run per replicate


def due(contest: Contest, outcomes: Mapping[str, Outcome]) -> list[Run]:
    """All runs the contest is known to need, given what has come out so far.

    Args:
        contest: the method and its rules.
        outcomes: run id -> outcome, of any study.

    Returns:
        The runs of all trials to the first rung; once all of them have an outcome, also those of the
        best trials to the second, and so on; at last the measuring runs of the chosen trial. A method
        with nothing to search goes straight to measuring.
    """
    climb = _climb(contest, outcomes)
    runs = [run for rung in climb for trial in rung.values() for run in trial]
    if any(run.id not in outcomes for run in _last(climb)):
        return runs
    trial = _chosen(contest, climb, outcomes)
    if trial is None:
        return runs
    measuring = (_run(contest, "measure", trial, r) for r in range(contest.repeats))
    return [*runs, *measuring]


def told(contest: Contest, outcomes: Mapping[str, Outcome]) -> list[Run]:
    """What a reader is told of: of `due`, each trial's runs to the furthest rung it has reached.

    The runs to the rungs before are the beginnings of these; they would count a trial twice.
    """
    found: dict[tuple[str, int, int], Run] = {}
    for run in due(contest, outcomes):
        key = run.phase, run.trial, run.repeat
        if key not in found or run.id in outcomes:
            found[key] = run
    return list(found.values())


def most(contest: Contest) -> int:
    """How many runs the contest takes in the end; fewer if trials diverge."""
    searched = sum(rung.trials for rung in contest.rungs) if contest.trials > 1 else 0
    return searched * contest.tune_repeats + contest.repeats


def most_steps(contest: Contest) -> int:
    """How many steps of training these runs are, a trial going on from its run to the rung before."""
    searched = search_steps(contest.rungs) if contest.trials > 1 else 0
    return searched * contest.tune_repeats + contest.rungs[-1].steps * contest.repeats


def chosen(contest: Contest, outcomes: Mapping[str, Outcome]) -> int | None:
    """The trial that is measured: best mean validation score over the tuning replicates.

    A trial that diverged in any replicate is worse than all that did not; of the others one that was
    trained further is better than one that was stopped before. Ties go to the lower validation
    loss, then to the earlier trial. None if every trial failed for another reason.

    All tuning runs that are due must have outcomes.
    """
    return _chosen(contest, _climb(contest, outcomes), outcomes)


def _chosen(contest: Contest, climb: list[Trials], outcomes: Mapping[str, Outcome]) -> int | None:
    if not climb:
        return 0
    furthest = {trial: (-i, runs) for i, rung in enumerate(climb) for trial, runs in rung.items()}

    def badness(trial: int) -> tuple[int, int, float, float]:
        rung, runs = furthest[trial]
        kind, score, loss = _badness(contest, runs, outcomes)
        return kind, rung, score, loss

    best = min(furthest, key=lambda trial: (*badness(trial), trial))
    return None if badness(best)[0] == FAILED else best


def _climb(contest: Contest, outcomes: Mapping[str, Outcome]) -> list[Trials]:
    """The runs to each rung, up to the first rung where some are missing."""
    rungs: list[Trials] = []
    standing: Iterable[int] = range(contest.trials)
    for level, rung in enumerate(contest.rungs if contest.trials > 1 else ()):
        if level:
            standing = _best(contest, rungs[-1], outcomes)[: rung.trials]
        if not standing:
            return rungs
        until = rung.steps if level < len(contest.rungs) - 1 else None
        before = rungs[-1] if rungs else {}
        here = {trial: _tuning(contest, trial, until, before) for trial in sorted(standing)}
        rungs.append(here)
        if any(run.id not in outcomes for run in _last(rungs)):
            return rungs
    return rungs


def _best(contest: Contest, trials: Trials, outcomes: Mapping[str, Outcome]) -> list[int]:
    """The trials that can go on, the best first."""
    badness = {trial: _badness(contest, runs, outcomes) for trial, runs in trials.items()}
    fit = [trial for trial in trials if badness[trial][0] == FINE]
    return sorted(fit, key=lambda trial: (*badness[trial], trial))


def _badness(
    contest: Contest, runs: Iterable[Run], outcomes: Mapping[str, Outcome]
) -> tuple[int, float, float]:
    """What a trial is sorted by, from the best to the worst."""
    found = [outcomes[run.id] for run in runs]
    if any(o.status == "failed" for o in found):
        return FAILED, 0.0, 0.0
    if any(o.status == "diverged" or o.score is None for o in found):
        return DIVERGED, 0.0, 0.0
    score = math.fsum(o.score for o in found if o.score is not None) / len(found)
    loss = math.fsum(math.inf if o.loss is None else o.loss for o in found) / len(found)
    return FINE, -score if contest.maximise else score, loss


def _last(climb: list[Trials]) -> list[Run]:
    return [run for runs in climb[-1].values() for run in runs] if climb else []


def _tuning(contest: Contest, trial: int, until: int | None, before: Trials) -> list[Run]:
    """A trial's runs to a rung, each going on from the one to the rung before."""
    runs = [_run(contest, "tune", trial, r, until) for r in range(contest.tune_repeats)]
    if trial not in before:
        return runs
    return [
        run._replace(continues=start.id) for run, start in zip(runs, before[trial], strict=True)
    ]


def _run(contest: Contest, phase: str, trial: int, repeat: int, until: int | None = None) -> Run:
    cross = contest.cross if phase == "measure" else {}
    streams = streams_at(repeat, contest.vary, cross)
    return contest.make(phase, trial, repeat, streams, until)
