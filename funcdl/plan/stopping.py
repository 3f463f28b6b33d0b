"""How the search of a method stops early: its rungs, from the study and its trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from funcdl.config import Study, problem_at
from funcdl.errors import StudyError
from funcdl.plan.contest import Contest
from funcdl.plan.rungs import Rung, Unfit, describe, ladder
from funcdl.plan.trial import Trial


def rungs_of(study: Study, trials: Sequence[Trial]) -> tuple[Rung, ...]:
    """The rungs that a method's trials climb.

    They follow from the study's `tune`, and from the method's own steps and evaluations: methods that
    are trained alike climb alike, whatever else the study holds. A space with fewer points than
    `tune.trials` has the same steps; a grid has as many trials as points. A baseline has no steps, so
    that its trials are never stopped.

    Args:
        study: `study.tune.stop` says whether trials are stopped.
        trials: the method's trials, at least one.

    Raises:
        StudyError: if these steps and evaluations have no room for the rungs that are asked for.
    """
    train = [trial.recipe.get("train", {"steps": 0, "eval_every": 1}) for trial in trials]
    steps = max(section["steps"] for section in train)
    tune = study.tune
    if tune is None or tune.stop is None or len(trials) == 1 or steps == 0:
        return (Rung(steps, len(trials)),)
    try:
        return ladder(
            len(trials) if tune.sampler == "grid" else tune.trials,
            steps,
            train[0]["eval_every"],
            eta=tune.stop.eta,
            rungs=tune.stop.rungs,
            first=tune.stop.first,
            points=len(trials),
        )
    except Unfit as error:
        raise StudyError([problem_at(study, f"tune.stop.{error.key}", str(error))]) from error


def in_words(study: Study, contests: Iterable[Contest]) -> list[str]:
    """How trials are stopped early, a sentence's worth per different ladder; empty if they are not.

    Methods are named only where they climb differently.
    """
    if study.tune is None or study.tune.stop is None:
        return []
    alike: dict[str, list[str]] = {}
    for contest in contests:
        if contest.trials > 1:
            alike.setdefault(_words(contest.rungs), []).append(_name(contest))
    if len(alike) == 1:
        return list(alike)
    return [f"{words} ({', '.join(names)})" for words, names in alike.items()]


def _words(rungs: Sequence[Rung]) -> str:
    text = describe(rungs)
    return text if len(rungs) > 1 else f"{text}, since so few trials or looks leave none to stop"


def _name(contest: Contest) -> str:
    return f"{contest.block}: {contest.method}" if contest.block else contest.method
