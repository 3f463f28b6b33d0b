"""A study's plan: its contests, its data, its programs, and what a worker is told of each run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from funcdl.config import Expansion, Method, Study, with_values
from funcdl.config.identity import canonical, identity
from funcdl.data.load import make_data
from funcdl.errors import DataError, Problem, StudyError
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


class Work(NamedTuple):
    """What a worker needs to know of a run, besides its identity and its random streams.

    program: the digest of its program; empty for a baseline.
    static, hyper: the static part and the traced numbers; `static` is None for a baseline.
    data: the data set's digest.
    """

    program: str
    static: Static | None
    hyper: Mapping[str, float]
    data: str


class Plan(NamedTuple):
    """Everything that follows from a study before anything is run.

    seed: the study's seed.
    select: (metric, "max" or "min", "final" or "best").
    contests, methods: in the order of the config, the one at a position made from the other.
    datasets: digest -> data set; `dataset_of` is the digest at a contest's position.
    programs: the programs that will be compiled.
    """

    seed: int
    select: tuple[str, str, str]
    contests: tuple[Contest, ...]
    methods: tuple[Method, ...]
    datasets: Mapping[str, Dataset]
    dataset_of: tuple[str, ...]
    programs: tuple[str, ...]


def make_plan(study: Study, expansion: Expansion) -> Plan:
    """Plans a study; loads and checks its data.

    Raises:
        StudyError: if data and config do not fit; each problem names the key.
    """
    data = _Data()
    select = (expansion.metric, expansion.mode, expansion.at)
    contests, programs = [], {}
    for method in expansion.methods:
        dataset = data.of(method)
        contest = _contest(study, method, dataset, select)
        contests.append(contest)
        for point in contest.points:
            programs[work(method, with_values(method.recipe, point), dataset).program] = None
    programs.pop("", None)
    return Plan(
        seed=study.seed,
        select=select,
        contests=tuple(contests),
        methods=expansion.methods,
        datasets={d.digest: d for d in data.sets.values()},
        dataset_of=tuple(data.of(method).digest for method in expansion.methods),
        programs=tuple(programs),
    )


def work(method: Method, recipe: Mapping[str, Any], dataset: Dataset) -> Work:
    """What a worker needs to know of a recipe."""
    if method.baseline is not None:
        return Work("", None, {}, dataset.digest)
    static, hyper = cut(recipe)
    return Work(program_id(static, dataset), static, hyper, dataset.digest)


def _contest(study: Study, method: Method, dataset: Dataset, select: tuple) -> Contest:
    tune = study.tune
    tried = points(method.space, tune.sampler, tune.trials, study.seed) if tune else [{}]
    code = code_digest()

    def make(phase: str, trial: int, repeat: int, streams: Mapping[str, int]) -> Run:
        recipe = with_values(method.recipe, tried[trial])
        of_run = identity(
            {
                "recipe": recipe,
                "baseline": method.baseline,
                "data": dataset.digest,
                "code": code,
                "seed": study.seed,
                "phase": phase,
                "streams": dict(streams),
                # What is looked at decides which step is reported, where that is the best one.
                "select": list(select) if select[2] == "best" else None,
                **NUMBERS,
            }
        )
        return Run(of_run[:40], phase, trial, repeat, streams, tried[trial], recipe)

    return Contest(
        block=method.block,
        method=method.label,
        compare=method.axes,
        points=tuple(tried),
        tune_repeats=tune.repeat if tune else 1,
        repeats=study.repeat.count,
        vary=tuple(study.repeat.vary),
        maximise=select[1] == "max",
        make=make,
    )


class _Data:
    """The study's data sets, each loaded and checked once."""

    def __init__(self) -> None:
        self.sets: dict[str, Dataset] = {}

    def of(self, method: Method) -> Dataset:
        """The data set of a method's recipe, checked against its task and batch size."""
        key = canonical(method.recipe["data"])
        try:
            if key not in self.sets:
                self.sets[key] = make_data(method.recipe["data"])
            check_data(method.recipe["task"], self.sets[key])
        except DataError as error:
            raise StudyError([Problem("", "data", str(error))]) from error
        dataset = self.sets[key]
        if method.baseline is None:
            _check_batch(method.recipe["train"], dataset)
        return dataset


def _check_batch(train: Mapping[str, Any], dataset: Dataset) -> None:
    n = len(dataset.train.targets)
    size, parts = train["batch_size"], train["accumulate"]
    if size > n:
        message = f"{size} given, but the training split has {n} examples; allowed 1 to {n}"
        raise StudyError([Problem("", "train.batch_size", message)])
    if size % parts:
        message = f"{parts} given, but it must divide train.batch_size, which is {size}"
        raise StudyError([Problem("", "train.accumulate", message)])
