"""A study's plan: its contests, its data, its programs, and what a worker is told of each run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from funcdl.config import Expansion, Method, Study, problem_at, with_values
from funcdl.config.identity import canonical, identity
from funcdl.data.load import make_data
from funcdl.data.tree import leaves
from funcdl.errors import DataError, StudyError
from funcdl.plan.code import code_digest
from funcdl.plan.contest import Contest, Run
from funcdl.plan.program import program_id
from funcdl.plan.recipe import cut
from funcdl.plan.samplers import points
from funcdl.tasks.check import check_data
from funcdl.train.assemble import Static
from funcdl.types import Dataset

MODE = "each"  # one run after another through one program; bits are those of the run alone
NUMBERS = {"dtype": "float32", "random": "threefry2x32", "mode": MODE}


class Trial(NamedTuple):
    """A method with one point of its search space.

    values: the tuned keys' values.
    recipe: the resolved config with them.
    text: the recipe as canonical JSON, objects by their digests; it identifies the trial.
    data: the digest of its data set.
    """

    values: Mapping[str, Any]
    recipe: Mapping[str, Any]
    text: str
    data: str


class Work(NamedTuple):
    """What a worker needs to know of a trial.

    program: the digest of its program; empty for a baseline.
    static, hyper: the static part and the traced numbers; `static` is None for a baseline.
    """

    program: str
    static: Static | None
    hyper: Mapping[str, float]


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
    library = _Library(study)
    select = (expansion.metric, expansion.mode, expansion.at)
    trials = tuple(tuple(_trials(study, method, library)) for method in expansion.methods)
    contests = tuple(
        _contest(study, method, tried, select)
        for method, tried in zip(expansion.methods, trials, strict=True)
    )
    programs = dict.fromkeys(
        work(method, trial, library.datasets[trial.data]).program
        for method, tried in zip(expansion.methods, trials, strict=True)
        for trial in tried
    )
    return Plan(
        seed=study.seed,
        select=select,
        methods=expansion.methods,
        trials=trials,
        contests=contests,
        datasets=library.datasets,
        programs=tuple(filter(None, programs)),
    )


def work(method: Method, trial: Trial, dataset: Dataset) -> Work:
    """What a worker needs to know of a trial."""
    if method.baseline is not None:
        return Work("", None, {})
    static, hyper = cut(trial.recipe)
    return Work(program_id(static, dataset), static, hyper)


def _trials(study: Study, method: Method, library: _Library) -> Iterator[Trial]:
    tune = study.tune
    space = method.space if tune else {}
    found = points(space, tune.sampler, tune.trials, study.seed) if tune else [{}]
    for values in found:
        recipe = with_values(method.recipe, values)
        digest, described = library.find(recipe["data"])
        dataset = library.datasets[digest]
        try:
            check_data(recipe["task"], dataset)
        except DataError as error:
            raise StudyError([problem_at(study, "data", str(error))]) from error
        if method.baseline is None:
            _check_batch(study, recipe["train"], dataset)
        yield Trial(values, recipe, canonical({**recipe, "data": described}), digest)


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


class _Library:
    """The study's data sets, each loaded once; `datasets` has them by digest."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.datasets: dict[str, Dataset] = {}
        self._found: dict[str, tuple[str, Any]] = {}
        self._last: tuple[Any, tuple[str, Any]] | None = None

    def find(self, section: Any) -> tuple[str, Any]:
        """The digest of a `data` section's data set, and the section with its objects described.

        Describing arrays means hashing them, so the same section is described only once in a row.
        """
        if self._last is not None and _same(self._last[0], section):
            return self._last[1]
        text = canonical(section)
        if text not in self._found:
            try:
                dataset = make_data(section)
            except DataError as error:
                raise StudyError([problem_at(self._study, "data", str(error))]) from error
            self.datasets.setdefault(dataset.digest, dataset)
            self._found[text] = (dataset.digest, json.loads(text))
        self._last = (section, self._found[text])
        return self._found[text]


def _same(one: Any, other: Any) -> bool:
    """Whether two sections hold the same plain values and the very same objects."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    plain = str | int | float | bool | None
    return one is other or (isinstance(one, plain) and type(one) is type(other) and one == other)


def _check_batch(study: Study, train: Mapping[str, Any], dataset: Dataset) -> None:
    n = len(leaves(dataset.train.inputs)[0][1])
    size = train["batch_size"]
    if size > n:
        message = f"{size} given, but the training split has {n} examples; allowed 1 to {n}"
        raise StudyError([problem_at(study, "train.batch_size", message)])
