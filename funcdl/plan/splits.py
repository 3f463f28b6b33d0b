"""From a `data` section to the data set of a repeat: the same in all, or each on its own split."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from funcdl.config import Study, problem_at
from funcdl.config.identity import canonical
from funcdl.data.load import make_data
from funcdl.errors import DataError, StudyError
from funcdl.plan.datasets import Datasets
from funcdl.plan.repeats import SPLIT, split_seed

Place = tuple[str, int]  # phase and index of a split
FIRST: Place = ("measure", 0)


class Splits:
    """The data sets of a study's `data` sections, each loaded once.

    datasets: all of them, by digest.
    vary: whether every repeat has a split of its own.
    """

    def __init__(self, study: Study):
        self.datasets = Datasets()
        self.vary = SPLIT in study.repeat.varied
        self._study = study
        self._digests: dict[str, str] = {}
        self._last: tuple[Any, Any] | None = None

    def find(self, section: Any, place: Place = FIRST) -> tuple[str, Any]:
        """The digest of a section's data set, and the section as plain data that identifies it.

        Args:
            section: the recipe's.
            place: which split, where it varies.

        Raises:
            StudyError: if the data cannot be had, or not split.
        """
        described, again = self._described(section), None
        if self.vary:
            self._check_splittable(section)
            seed = self._seed(section[SPLIT], *place)
            section, described = _with_seed(section, seed), _with_seed(described, seed)
            again = functools.partial(make_data, section)
        text = canonical(described)
        if text not in self._digests:
            try:
                dataset = make_data(section)
                self.datasets.add(dataset, again)
            except DataError as error:
                raise self._refused("data", f"{error}{self._of(place)}") from error
            self._digests[text] = dataset.digest
        return self._digests[text], _without_block(described)

    def all(self, section: Any, *, tuned: bool) -> list[str]:
        """The digests of the data sets that a section has over all repeats, tuning ones among them.

        They are made here, before anything runs, so that a split that cannot be made is no surprise
        after hours of training.

        Raises:
            StudyError: if one cannot be made, or all are the same.
        """
        if not self.vary:
            return [self.find(section)[0]]
        repeat, tune = self._study.repeat, self._study.tune
        count = repeat.cross[SPLIT] if repeat.cross else repeat.most
        measured = [self.find(section, ("measure", index))[0] for index in range(count)]
        if count > 1 and len(set(measured)) == 1:
            text = "split varies, but the data come out the same for every data.split.seed"
            raise self._refused(
                self._key, f"{text}; remove split, or let the data look at the seed"
            )
        tuning = range(tune.repeat if tune and tuned else 0)
        return [*measured, *(self.find(section, ("tune", index))[0] for index in tuning)]

    def _seed(self, rule: Mapping[str, Any], phase: str, index: int) -> int:
        """What tells a split from the others of its rule: for origins their number, else a draw.

        Tuning has the first origin to itself: what is chosen by the past is tested on the future.
        """
        if rule["by"] == "order":
            first = 1 if self._study.tune else 0
            return rule["seed"] + (first + index if phase == "measure" else 0)
        return split_seed(self._study.seed, phase, index, rule["seed"])

    @property
    def _key(self) -> str:
        return "repeat.cross" if self._study.repeat.cross else "repeat.vary"

    def _described(self, section: Any) -> Any:
        """The section with its objects by their digests.

        Describing arrays means hashing them, so the same section is described only once in a row.
        """
        if self._last is None or not _same(self._last[0], section):
            self._last = (section, json.loads(canonical(section)))
        return self._last[1]

    def _check_splittable(self, section: Any) -> None:
        rule = section.get(SPLIT) if isinstance(section, Mapping) else None
        if not isinstance(rule, Mapping):
            text = (
                "split varies, but the data come already split, which is one split for all repeats"
            )
            raise self._refused(self._key, f"{text}; remove split, or give data that can be split")
        if rule["by"] == "order" and not rule.get("origins"):
            text = "split varies, but data.split.by is order, which has one split for all repeats"
            raise self._refused(
                self._key,
                f"{text}; remove split, give data.split.origins, one for each repeat, or use by: "
                "stratified, random or group",
            )

    def _of(self, place: Place) -> str:
        phase, index = place
        return f" (on the split of {phase} repeat {index})" if self.vary else ""

    def _refused(self, key: str, message: str) -> StudyError:
        return StudyError([problem_at(self._study, key, message)])


def _with_seed(section: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return {**section, SPLIT: {**section[SPLIT], "seed": seed}}


def _without_block(described: Any) -> Any:
    """Blocks of time are for the statistics: no run depends on them."""
    rule = described.get(SPLIT) if isinstance(described, dict) else None
    if not isinstance(rule, dict) or "block" not in rule:
        return described
    return {**described, SPLIT: {key: value for key, value in rule.items() if key != "block"}}


def _same(one: Any, other: Any) -> bool:
    """Whether two sections hold the same plain values and the very same objects."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    plain = str | int | float | bool | None
    return one is other or (isinstance(one, plain) and type(one) is type(other) and one == other)
