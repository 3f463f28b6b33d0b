"""A method with one point of its search space, on its data, checked and described."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from funcdl.config import Method, Study, problem_at, with_values
from funcdl.config.identity import canonical
from funcdl.data.grain import has_grain, no_grain
from funcdl.data.load import make_data
from funcdl.data.tree import leaves
from funcdl.errors import DataError, StudyError
from funcdl.plan.mode import EACH, Mode
from funcdl.plan.program import program_id
from funcdl.plan.recipe import cut
from funcdl.plan.samplers import points
from funcdl.tasks.check import check_data
from funcdl.train.assemble import Static
from funcdl.train.axes import uneven
from funcdl.types import Dataset


class Trial(NamedTuple):
    """What is run, but for its random streams.

    values: the tuned keys' values.
    recipe: the resolved config with them.
    text: the recipe as canonical JSON, objects by their digests and without `train.stream`, which
        changes no bits; it identifies the trial.
    data: the digest of its data set.
    static, hyper: the recipe's static part and its traced numbers; `static` is None for a baseline.
    program: the digest of its program; empty for a baseline.
    mode: how that program runs.
    plain: the program's name before its mode.
    """

    values: Mapping[str, Any]
    recipe: Mapping[str, Any]
    text: str
    data: str
    static: Static | None
    hyper: Mapping[str, float]
    program: str
    mode: Mode = EACH
    plain: str = ""


class Library:
    """The study's data sets, each loaded once, and what is known of them.

    datasets: digest -> data set.
    """

    def __init__(self, study: Study):
        self.datasets: dict[str, Dataset] = {}
        self._study = study
        self._found: dict[str, tuple[str, Any]] = {}
        self._last: tuple[Any, tuple[str, Any]] | None = None
        self._checked: set[tuple[str, str]] = set()
        self._programs: dict[tuple[str, str], str] = {}

    def trials(self, method: Method) -> Iterator[Trial]:
        """The trials of a method, in the order in which they are tried.

        Raises:
            StudyError: if data and config do not fit.
        """
        tune = self._study.tune
        space = method.space if tune else {}
        found = points(space, tune.sampler, tune.trials, self._study.seed) if tune else [{}]
        for values in found:
            recipe = with_values(method.recipe, values)
            data, described = self._find(recipe["data"])
            self._check(recipe, data)
            text = canonical({**_without_stream(recipe), "data": described})
            if method.baseline is not None:
                yield Trial(values, recipe, text, data, None, {}, "")
                continue
            static, hyper = cut(recipe)
            yield Trial(values, recipe, text, data, static, hyper, self._program(static, data))

    def _program(self, static: Static, data: str) -> str:
        key = (canonical(static._asdict()), data)
        if key not in self._programs:
            self._programs[key] = program_id(static, self.datasets[data])
        return self._programs[key]

    def _check(self, recipe: Mapping[str, Any], data: str) -> None:
        """Data against task and batch size, each pair once."""
        key = (canonical(recipe["task"]), data)
        if key not in self._checked:
            try:
                check_data(recipe["task"], self.datasets[data])
            except DataError as error:
                raise StudyError([problem_at(self._study, "data", str(error))]) from error
            self._checked.add(key)
        n = len(leaves(self.datasets[data].train.inputs)[0][1])
        if recipe.get("train", {}).get("stream") == "always" and not has_grain():
            message = no_grain("always given, so the training data stay on the host")
            raise StudyError([problem_at(self._study, "train.stream", message)])
        size = recipe.get("train", {}).get("batch_size", 1)
        if size > n:
            message = f"{size} given, but the training split has {n} examples; allowed 1 to {n}"
            raise StudyError([problem_at(self._study, "train.batch_size", message)])
        parts = recipe.get("train", {}).get("accumulate", 1)
        if size % parts:
            message = (
                f"{parts} given, but it must divide every batch size that is tried, also {size}"
            )
            raise StudyError([problem_at(self._study, "train.accumulate", message)])
        if self._study.mesh and (message := uneven(size, parts, self._study.mesh.model_dump())):
            raise StudyError([problem_at(self._study, "train.batch_size", message)])

    def _find(self, section: Any) -> tuple[str, Any]:
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


def _without_stream(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe without what changes no bits, so that it is in no run's identity."""
    train = {key: value for key, value in recipe.get("train", {}).items() if key != "stream"}
    return {**recipe, **({"train": train} if train else {})}


def _same(one: Any, other: Any) -> bool:
    """Whether two sections hold the same plain values and the very same objects."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    plain = str | int | float | bool | None
    return one is other or (isinstance(one, plain) and type(one) is type(other) and one == other)
