"""A study's plan: its contests, its data, its programs, and what a worker is told of each run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from funcdl.config import Expansion, Method, Study
from funcdl.config.identity import identity
from funcdl.plan.code import code_digest
from funcdl.plan.contest import Contest, Run
from funcdl.plan.mode import CPU, EACH, Mode, chosen_name
from funcdl.plan.program import program_in_mode
from funcdl.plan.stopping import rungs_of
from funcdl.plan.trial import Library, Trial
from funcdl.plan.widths import widths_of
from funcdl.types import Dataset

NUMBERS = {"dtype": "float32", "random": "threefry2x32"}
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
    mode: "each" or "vmap".
    widths: program, before its mode, -> lanes per device; empty under "each".
    threads: threads per worker.
    mesh: axis -> devices, if all devices share each run; else empty.
    """

    seed: int
    select: tuple[str, str, str]
    methods: tuple[Method, ...]
    trials: tuple[tuple[Trial, ...], ...]
    contests: tuple[Contest, ...]
    datasets: Mapping[str, Dataset]
    programs: tuple[str, ...]
    mode: str
    widths: Mapping[str, int]
    threads: int = 1
    mesh: Mapping[str, int] = {}


def make_plan(
    study: Study,
    expansion: Expansion,
    backend: str = CPU,
    widths: Mapping[str, int] | None = None,
) -> Plan:
    """Plans a study; loads and checks its data.

    Args:
        study: the study.
        expansion: its methods.
        backend: what it will run on, `CPU` or `ACCELERATOR`; `mode: auto` looks at it.
        widths: a plan's `widths` that is already known, perhaps with programs made narrower since
            the device's memory did not suffice.

    Raises:
        StudyError: if data and config do not fit; each problem names the key.
    """
    library = Library(study)
    select = (expansion.metric, expansion.mode, expansion.at)
    plain = [list(library.trials(method)) for method in expansion.methods]
    lanes = widths_of(study, plain, library.datasets, backend, widths or {})
    name = EACH.name if study.mesh else chosen_name(study.mode, backend, {} if widths else lanes)
    trials = tuple(tuple(_in_mode(study, trial, name, lanes) for trial in tried) for tried in plain)
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
        mode=name,
        widths=lanes if name == "vmap" else {},
        threads=study.threads,
        mesh=study.mesh.model_dump() if study.mesh else {},
    )


def _in_mode(study: Study, trial: Trial, name: str, widths: Mapping[str, int]) -> Trial:
    """The trial with its mode, which is a part of its program."""
    if trial.static is None:
        return trial._replace(mode=Mode(threads=study.threads))
    width = widths[trial.program] if name == "vmap" else 1
    mesh = study.mesh.model_dump() if study.mesh else {}
    mode = Mode(name, width, study.threads, mesh)
    program = program_in_mode(trial.program, mode)
    return trial._replace(program=program, mode=mode, plain=trial.program)


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

    def make(
        phase: str, trial: int, repeat: int, streams: Mapping[str, int], until: int | None
    ) -> Run:
        one = trials[trial]
        of_run = {"recipe": one.text, "data": one.data, "phase": phase, "streams": dict(streams)}
        of_run |= one.mode.numbers()
        if until is not None:  # a whole run is the same one, whether or not others are stopped
            of_run["until"] = until
        name = identity(always | of_run)[:40]
        return Run(name, phase, trial, repeat, streams, one.values, until)

    return Contest(
        block=method.block,
        method=method.label,
        compare=method.axes,
        trials=len(trials),
        rungs=rungs_of(study, trials),
        tune_repeats=study.tune.repeat if study.tune else 1,
        repeats=study.repeat.count,
        vary=tuple(study.repeat.vary),
        maximise=select[1] == "max",
        make=make,
    )
