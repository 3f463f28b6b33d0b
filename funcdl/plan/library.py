"""The trials of a study's methods, checked against their data and described."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from funcdl.config import Method, Study, problem_at, with_values
from funcdl.config.identity import canonical
from funcdl.data.grain import has_grain, no_grain
from funcdl.errors import DataError, StudyError
from funcdl.plan.program import program_id, program_in_mode
from funcdl.plan.recipe import cut
from funcdl.plan.samplers import points
from funcdl.plan.splits import Place, Splits
from funcdl.plan.trial import Trial
from funcdl.tasks.check import check_data
from funcdl.train.assemble import Static
from funcdl.train.axes import uneven


class Library:
    """What a study tries, and on what data.

    splits: its data sets.
    datasets: the same, by digest.
    """

    def __init__(self, study: Study):
        self.splits = Splits(study)
        self.datasets = self.splits.datasets
        self._study = study
        self._checked: set[tuple[str, str]] = set()
        self._programs: dict[tuple[str, str], str] = {}
        self._on_split: dict[tuple[str, str, Place], Trial] = {}
        self._shapes: dict[str, list[str]] = {}

    def trials(self, method: Method) -> Iterator[Trial]:
        """The trials of a method, in the order in which they are tried, on their first split.

        Raises:
            StudyError: if data and config do not fit, on whatever split.
        """
        tune = self._study.tune
        space = method.space if tune else {}
        found = points(space, tune.sampler, tune.trials, self._study.seed) if tune else [{}]
        for values in found:
            recipe = with_values(method.recipe, values)
            data, described = self.splits.find(recipe["data"])
            for digest in self._every(recipe, canonical(described), tuned=len(found) > 1):
                self._check_sizes(recipe, digest)
            text = canonical({**_without_stream(recipe), "data": described})
            if method.baseline is not None:
                yield Trial(values, recipe, text, data, None, {}, "")
                continue
            static, hyper = cut(recipe)
            yield Trial(values, recipe, text, data, static, hyper, self._program(static, data))

    def on_split(self, trial: Trial, place: Place) -> Trial:
        """The trial on the split of a repeat; itself where all repeats share theirs."""
        if not self.splits.vary:
            return trial
        key = (trial.text, trial.program, place)
        if key not in self._on_split:
            data, described = self.splits.find(trial.recipe["data"], place)
            text = canonical({**_without_stream(trial.recipe), "data": described})
            moved = trial._replace(text=text, data=data)
            if trial.static is not None:
                plain = self._program(trial.static, data)
                moved = moved._replace(plain=plain, program=program_in_mode(plain, trial.mode))
            self._on_split[key] = moved
        return self._on_split[key]

    def programs(self, trials: Iterable[Trial]) -> list[str]:
        """The programs of trials in their modes: more than one each where splits differ in size."""
        found: dict[str, None] = {}
        for trial in trials:
            if trial.static is None:
                continue
            for digest in self._shapes[self._key(trial.recipe, trial.data)]:
                found[program_in_mode(self._program(trial.static, digest), trial.mode)] = None
        return list(found)
