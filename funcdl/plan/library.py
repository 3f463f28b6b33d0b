"""The trials of a study's methods, checked against their data and described."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from funcdl.augment.reading import check_reads
from funcdl.config import Method, Study, problem_at, with_values
from funcdl.config.identity import canonical
from funcdl.data.grain import has_grain, no_grain
from funcdl.errors import DataError, StudyError
from funcdl.plan.datasets import Facts
from funcdl.plan.program import program_id, program_in_mode
from funcdl.plan.recipe import cut
from funcdl.plan.samplers import points
from funcdl.plan.splits import Place, Splits
from funcdl.plan.start import Find, Starts, nowhere
from funcdl.plan.trial import Trial
from funcdl.tasks.check import check_data
from funcdl.train.assemble import Static
from funcdl.train.axes import uneven


class Library:
    """What a study tries, and on what data.

    splits: its data sets.
    datasets: the same, by digest.
    starts: what its methods begin with.
    """

    def __init__(self, study: Study, find: Find = nowhere):
        self.splits = Splits(study)
        self.starts = Starts(study, find)
        self.datasets = self.splits.datasets
        self._study = study
        self._checked: set[tuple[str, str]] = set()
        self._programs: dict[tuple[str, str], str] = {}
        self._moved: dict[tuple[str, str, Place], Trial] = {}
        self._splits_of: dict[tuple[str, bool], list[str]] = {}
        self._sizes: dict[str, list[str]] = {}  # data set -> one of each size among its splits

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
            self._check(recipe, data, tuned=len(found) > 1)
            text = self._text(recipe, described)
            if method.baseline is not None:
                yield Trial(values, recipe, text, data, None, {}, "")
                continue
            static, hyper = cut(recipe)
            keep, classes = self._study.keep, self.datasets.facts[data].classes
            static = static._replace(
                outputs="predictions" in keep,
                variables="parameters" in keep,
                start=self.starts.static(recipe, classes),
            )
            yield Trial(values, recipe, text, data, static, hyper, self._program(static, data))

    def on_split(self, trial: Trial, place: Place) -> Trial:
        """The trial on the split of a repeat; itself where all repeats share theirs."""
        if not self.splits.vary:
            return trial
        key = (trial.text, trial.program, place)
        if key not in self._moved:
            data, described = self.splits.find(trial.recipe["data"], place)
            text = self._text(trial.recipe, described)
            moved = trial._replace(text=text, data=data)
            if trial.static is not None:
                plain = self._program(trial.static, data)
                moved = moved._replace(plain=plain, program=program_in_mode(plain, trial.mode))
            self._moved[key] = moved
        return self._moved[key]

    def programs(self, trials: Iterable[Trial]) -> list[str]:
        """The programs of trials in their modes: more than one each where splits differ in size."""
        found: dict[str, None] = {}
        for trial in trials:
            if trial.static is None:
                continue
            for digest in self._sizes[trial.data]:
                found[program_in_mode(self._program(trial.static, digest), trial.mode)] = None
        return list(found)

    def _text(self, recipe: Mapping[str, Any], described: Any) -> str:
        changed = {"data": described, **self.starts.described(recipe)}
        return canonical({**_without_stream(recipe), **changed})

    def _program(self, static: Static, data: str) -> str:
        key = (canonical(static._asdict()), data)
        if key not in self._programs:
            self._programs[key] = program_id(static, self.datasets.facts[data])
        return self._programs[key]

    def _check(self, recipe: Mapping[str, Any], data: str, *, tuned: bool) -> None:
        """A recipe against its data, on all splits of them."""
        if (data, tuned) not in self._splits_of:
            digests = self.splits.all(recipe["data"], tuned=tuned)
            known = [*self._sizes.get(data, ()), *digests]
            by_size = {self.datasets.facts[digest].shapes: digest for digest in reversed(known)}
            self._sizes[data] = list(by_size.values())[::-1]
            self._splits_of[data, tuned] = digests
        self._check_task(recipe["task"], data, self._splits_of[data, tuned])
        for digest in self._sizes[data]:
            facts = self.datasets.facts[digest]
            self._check_sizes(recipe, facts.sizes[0], facts.unlabelled)
            self._check_augment(recipe, self.datasets.facts[digest])

    def _check_task(self, task: Any, data: str, digests: Iterable[str]) -> None:
        """Data against the task, each pair once."""
        text = canonical(task)
        if (text, data) in self._checked:
            return
        for digest in digests:
            if (text, digest) not in self._checked:
                try:
                    check_data(task, self.datasets[digest])
                except DataError as error:
                    raise self._refused("data", str(error)) from error
                self._checked.add((text, digest))

    def _check_augment(self, recipe: Mapping[str, Any], facts: Facts) -> None:
        """Augmentations against the kind of the inputs."""
        where = "['train'].inputs"
        inputs = [(shape, dtype) for path, shape, dtype in facts.shapes if path.startswith(where)]
        for entry in recipe.get("train", {}).get("augment") or ():
            if isinstance(entry["name"], str):
                try:
                    check_reads(entry["name"], inputs)
                except DataError as error:
                    raise self._refused("train.augment", str(error)) from error

    def _check_unlabelled(self, train: Mapping[str, Any], unlabelled: int) -> None:
        """A method for examples without labels against how many there are."""
        if "unlabelled" in train and not unlabelled:
            message = "all training examples have their labels; lower data.labelled"
            raise self._refused("train.unlabelled", message)

    def _check_sizes(self, recipe: Mapping[str, Any], n: int, unlabelled: int) -> None:
        """A recipe against the number of training examples."""
        train = recipe.get("train", {})
        if train.get("stream") == "always" and not has_grain():
            message = no_grain("always given, so the training data stay on the host")
            raise self._refused("train.stream", message)
        size, parts = train.get("batch_size", 1), train.get("accumulate", 1)
        self._check_unlabelled(train, unlabelled)
        if size > n and "labelled" not in recipe["data"]:  # few labels are seen again and again
            message = f"{size} given, but the training split has {n} examples; allowed 1 to {n}"
            raise self._refused("train.batch_size", message)
        if size % parts:
            message = (
                f"{parts} given, but it must divide every batch size that is tried, also {size}"
            )
            raise self._refused("train.accumulate", message)
        if self._study.mesh and (message := uneven(size, parts, self._study.mesh.model_dump())):
            raise self._refused("train.batch_size", message)

    def _refused(self, key: str, message: str) -> StudyError:
        return StudyError([problem_at(self._study, key, message)])


def _without_stream(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe without what changes no bits, so that it is in no run's identity."""
    train = {key: value for key, value in recipe.get("train", {}).items() if key != "stream"}
    return {**recipe, **({"train": train} if train else {})}
