"""A study's plan: its contests, its data, its programs, and what a worker is told of each run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from funcdl.config import Expansion, Method, Study
from funcdl.config.identity import identity
from funcdl.plan.code import code_digest
from funcdl.plan.contest import Contest, Run
from funcdl.plan.trial import Library, Trial
from funcdl.types import Dataset

MODE = "each"  # one run after another through one program; bits are those of the run alone
NUMBERS = {"dtype": "float32", "random": "threefry2x32", "mode": MODE}
FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")  # of XLA; where they are set, they may change numbers


class Plan(NamedTuple):
    """Everything that follows from a study before anything is run.

    seed: the study's seed.
    select: (metric, "max" or "min", "final" or "best").
    methods: in the order of the config.
    trials: of each method.
    contests: of each method.
    datasets: digest -> data set.
    programs: the programs that will be compiled.
    """

    seed: int
    select: tuple[str, str, str]
    methods: tuple[Method, ...]
    trials: tuple[tuple[Trial, ...], ...]
    contests: tuple[Contest, ...]
    datasets: Mapping[str, Dataset]
    programs: tuple[str, ...]


def make_plan(study: Study, expansion: Expansion) -> Plan:
    """Plans a study; loads and checks its data.

    Raises:
        StudyError: if data and config do not fit; each problem names the key.
    """
    library = Library(study)
    select = (expansion.metric, expansion.mode, expansion.at)
    trials = tuple(tuple(library.trials(method)) for method in expansion.methods)
    contests = tuple(
        _contest(study, method, tried, select)
        for method, tried in zip(expansion.methods, trials, strict=True)
    )
    programs = dict.fromkeys(trial.program for tried in trials for trial in tried)
    return Plan(
        seed=study.seed,
        select=select,
        methods=expansion.methods,
        trials=trials,
        contests=contests,
        datasets=library.datasets,
        programs=tuple(filter(None, programs)),
    )


def _contest(
    study: Study, method: Method, trials: tuple[Trial, ...], select: tuple[str, str, str]
) -> Contest:
    always = {
        "baseline": method.baseline,
        "code": code_digest(),
        "seed": study.seed,
        # What is looked at decides which step is reported, where that is the best one.
        "select": list(select) if select[2] == "best" else None,
        **NUMBERS,
        **{flag: os.environ[flag] for flag in FLAGS if os.environ.get(flag)},
    }

    def make(phase: str, trial: int, repeat: int, streams: Mapping[str, int]) -> Run:
        one = trials[trial]
        of_run = {"recipe": one.text, "data": one.data, "phase": phase, "streams": dict(streams)}
        name = identity(always | of_run)[:40]
        return Run(name, phase, trial, repeat, streams, one.values)

    return Contest(
        block=method.block,
        method=method.label,
        compare=method.axes,
        trials=len(trials),
        tune_repeats=study.tune.repeat if study.tune else 1,
        repeats=study.repeat.count,
        vary=tuple(study.repeat.vary),
        maximise=select[1] == "max",
        make=make,
    )
