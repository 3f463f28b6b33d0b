"""What a method begins with, where that is another study's: the source, and which repeat of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from funcdl.config import Study, problem_of
from funcdl.config.start import INIT
from funcdl.errors import FuncdlError, StudyError
from funcdl.plan.repeats import streams_at
from funcdl.train.start import Start

Arrays = Mapping[str, np.ndarray]  # name, such as "params/Dense_0/kernel" -> array


class Source(NamedTuple):
    """What a finished study kept of one of its methods.

    name: study and method, as "pretraining/cnn"; where the study's folder lies decides nothing.
    classes: names of the classes that it told apart.
    repeats: repeat -> its parameters.
    best: the repeat that was best on validation data.
    """

    name: str
    classes: tuple[str, ...]
    repeats: Mapping[int, Arrays]
    best: int


Find = Callable[[str], Source]  # of what stands in `init.from`; raises FuncdlError


def nowhere(text: str) -> Source:
    """For plans that are made without looking at other studies."""
    raise FuncdlError(f"{text}: this plan is made without other studies")


class Starts:
    """The sources of a study's methods, each read once.

    They are read when the study is planned and travel with the runs: what happens to the other study's
    folder in the meantime changes nothing.
    """

    def __init__(self, study: Study, find: Find):
        self._study, self._find = study, find
        self._sources: dict[str, Source] = {}
        self._digests: dict[tuple[str, int], str] = {}

    def source(self, recipe: Mapping[str, Any]) -> Source | None:
        """The source of a method; None if it begins by chance.

        Raises:
            StudyError: if it cannot be had, or has fewer repeats than the method.
        """
        init = recipe.get(INIT)
        if init is None:
            return None
        text = init["from"]
        if text not in self._sources:
            try:
                self._sources[text] = self._find(text)
            except FuncdlError as error:
                raise self.refused(recipe, str(error)) from error
        source = self._sources[text]
        if init["repeat"] == "same":
            self._check_repeats(recipe, source)
        return source

    def static(self, recipe: Mapping[str, Any], classes: tuple[str, ...]) -> Start | None:
        """What of the source decides the program.

        Args:
            recipe: the method's.
            classes: of its own data.
        """
        source = self.source(recipe)
        if source is None:
            return None
        first = source.repeats[source.best]
        freeze, head = recipe[INIT]["freeze"], recipe[INIT]["head"]
        same = bool(classes) and classes == source.classes
        return Start(
            shapes=tuple((name, tuple(x.shape), str(x.dtype)) for name, x in first.items()),
            head=same if head == "auto" else head == "keep",
            freeze=freeze if isinstance(freeze, str) else tuple(freeze),
        )

    def described(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """The section as it identifies a run, beside the digest of what it begins with."""
        source = self.source(recipe)
        return {} if source is None else {INIT: {**recipe[INIT], "from": source.name}}

    def arrays(self, recipe: Mapping[str, Any], streams: Mapping[str, int]) -> Arrays | None:
        """What a run begins with: of the repeat that its "init" stream is at, or of the best one."""
        source = self.source(recipe)
        return None if source is None else source.repeats[_which(recipe, source, streams)]

    def digest(self, recipe: Mapping[str, Any], streams: Mapping[str, int]) -> str | None:
        """The SHA-256 (hex) of what a run begins with; None if it begins by chance."""
        source = self.source(recipe)
        if source is None:
            return None
        key = (recipe[INIT]["from"], _which(recipe, source, streams))
        if key not in self._digests:
            self._digests[key] = _digest(source.repeats[key[1]])
        return self._digests[key]

    def refused(self, recipe: Mapping[str, Any], message: str) -> StudyError:
        """A problem with a method's source, at the line that names it."""
        text = recipe[INIT]["from"]
        return StudyError([problem_of(self._study, INIT, "from", text, message)])

    def _check_repeats(self, recipe: Mapping[str, Any], source: Source) -> None:
        repeat, tune = self._study.repeat, self._study.tune
        needed = range(tune.repeat if tune and tune.spaces else 1)
        at = [streams_at(i, repeat.varied, repeat.crossed)["init"] for i in range(repeat.most)]
        missing = sorted({*needed, *at} - {*source.repeats})
        if missing:
            have = ", ".join(map(str, sorted(source.repeats)))
            raise self.refused(
                recipe,
                f"repeat {missing[0]} begins with repeat {missing[0]} of {source.name}, which kept only "
                f"{have}; give the source as many repeats, or set repeat: best in init, so that all "
                "begin with its best one",
            )


def _which(recipe: Mapping[str, Any], source: Source, streams: Mapping[str, int]) -> int:
    return source.best if recipe[INIT]["repeat"] == "best" else streams["init"]


def _digest(arrays: Arrays) -> str:
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
