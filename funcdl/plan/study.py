"""A study's plan: its contests, its data, its programs, and what a worker is told of each run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from funcdl.config import Expansion, Method, Study, placed
from funcdl.config.identity import identity
from funcdl.errors import StudyError
from funcdl.plan.code import code_digest
from funcdl.plan.contest import Contest, Run
from funcdl.plan.datasets import Datasets
from funcdl.plan.fitting import check_starts
from funcdl.plan.library import Library
from funcdl.plan.mode import CPU, EACH, Mode, chosen_name
from funcdl.plan.program import program_in_mode
from funcdl.plan.repeats import SPLIT
from funcdl.plan.start import Find, nowhere
from funcdl.plan.stopping import rungs_of
from funcdl.plan.trial import Trial
from funcdl.plan.widths import widths_of

NUMBERS = {"dtype": "float32", "random": "threefry2x32"}
FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")  # of XLA; where they are set, they may change numbers


class Plan(NamedTuple):
    """Everything that follows from a study before anything is run.

    seed: the study's seed.
    select: (metric, "max" or "min", "final" or "best").
    methods: in the order of the config.
    trials: of each method; where every repeat has a split of its own, on the first of these. See
        `on_split`.
    contests: of each method, with the repeats that it gets in any case.
    datasets: digest -> data set.
    programs: the programs that will be compiled.
    mode: "each" or "vmap".
    widths: program, before its mode, -> lanes per device; empty under "each".
    threads: threads per worker.
    mesh: axis -> devices, if all devices share each run; else empty.
    library: knows every trial on every split.
    keep: what is stored of measured runs beside their numbers.
    """

    seed: int
    select: tuple[str, str, str]
    methods: tuple[Method, ...]
    trials: tuple[tuple[Trial, ...], ...]
    contests: tuple[Contest, ...]
    datasets: Datasets
    programs: tuple[str, ...]
    mode: str
    widths: Mapping[str, int]
    threads: int
    mesh: Mapping[str, int]
    library: Library
    keep: tuple[str, ...] = ()

    def on_split(self, position: int, run: Run) -> Trial:
        """The trial that a run of the contest at this position is of, on the run's own data."""
        return _on_split(self.library, self.trials[position][run.trial], run.phase, run.streams)


def make_plan(
    study: Study,
    expansion: Expansion,
    backend: str = CPU,
    widths: Mapping[str, int] | None = None,
    find: Find = nowhere,
) -> Plan:
    """Plans a study; loads and checks its data.

    Args:
        study: the study.
        expansion: its methods.
        backend: what it will run on, `CPU` or `ACCELERATOR`; `mode: auto` looks at it.
        widths: a plan's `widths` that is already known, perhaps with programs made narrower since
            the device's memory did not suffice.
        find: finds what another study has kept, where methods begin with that.

    Raises:
        StudyError: if data and config do not fit; each problem names the key.
    """
    library = Library(study, find)
    select = (expansion.metric, expansion.mode, expansion.at)
    plain = [_tried(study, library, method) for method in expansion.methods]
    check_starts(library, plain)
    lanes = widths_of(study, plain, library.datasets, backend, widths or {})
    name = EACH.name if study.mesh else chosen_name(study.mode, backend, {} if widths else lanes)
    trials = tuple(tuple(_in_mode(study, trial, name, lanes) for trial in tried) for tried in plain)
    contests = tuple(
        _contest(study, method, tried, select, library)
        for method, tried in zip(expansion.methods, trials, strict=True)
    )
    return Plan(
        seed=study.seed,
        select=select,
        methods=expansion.methods,
        trials=trials,
        contests=contests,
        datasets=library.datasets,
        programs=tuple(library.programs(trial for tried in trials for trial in tried)),
        mode=name,
        widths=lanes if name == "vmap" else {},
        threads=study.threads,
        mesh=study.mesh.model_dump() if study.mesh else {},
        library=library,
        keep=tuple(study.keep),
    )


def _tried(study: Study, library: Library, method: Method) -> list[Trial]:
    """The trials of a method; what is wrong with them is told at the line that says so."""
    try:
        return list(library.trials(method))
    except StudyError as error:
        raise StudyError([placed(study, problem, method) for problem in error.problems]) from error


def _on_split(library: Library, trial: Trial, phase: str, streams: Mapping[str, int]) -> Trial:
    return library.on_split(trial, (phase, streams.get(SPLIT, 0)))


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
    study: Study,
    method: Method,
    trials: tuple[Trial, ...],
    select: tuple[str, str, str],
    library: Library,
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
        one = _on_split(library, trials[trial], phase, streams)
        # The split is in the recipe and in the data; every run has the other streams.
        keys = {stream: at for stream, at in streams.items() if stream != SPLIT}
        of_run = {"recipe": one.text, "data": one.data, "phase": phase, "streams": keys}
        of_run |= one.mode.numbers()
        if (start := library.starts.digest(one.recipe, streams)) is not None:
            of_run["start"] = start
        if until is not None:  # a whole run is the same one, whether or not others are stopped
            of_run["until"] = until
        if study.keep and phase == "measure":  # it changes no bits, but asks for more
            of_run["keep"] = list(study.keep)
        name = identity(always | of_run)[:40]
        return Run(name, phase, trial, repeat, streams, one.values, until)

    return Contest(
        block=method.block,
        method=method.label,
        compare=method.axes,
        trials=len(trials),
        rungs=rungs_of(study, trials),
        tune_repeats=study.tune.repeat if study.tune else 1,
        repeats=study.repeat.first,
        vary=study.repeat.varied,
        maximise=select[1] == "max",
        make=make,
        cross=study.repeat.crossed,
    )
