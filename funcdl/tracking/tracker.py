"""What a tracker is told, and what one is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from funcdl.errors import FuncdlError
from funcdl.store.ledger import Label
from funcdl.store.row import Row

Number = float | int | str | bool


class Run(NamedTuple):
    """A run, as a tracker shows it.

    id: its identity; equal for the same run, whenever it is done.
    study, block, method: where it stands.
    phase, trial, repeat: "tune" or "measure", and which.
    config: its resolved config, flat: dotted key -> number, word or switch.
    """

    id: str
    study: str
    block: str
    method: str
    phase: str
    trial: int
    repeat: int
    config: Mapping[str, Number]

    @property
    def name(self) -> str:
        """Which run of its method it is, such as "measure repeat 3"."""
        which = f"trial {self.trial} repeat" if self.phase == "tune" else "repeat"
        return f"{self.phase} {which} {self.repeat}"


class Ended(NamedTuple):
    """How a run ended.

    status: "ok", "diverged" or "failed"; `reason`: why it failed.
    steps: how many it did.
    final: metric -> value.
    curves: step -> metric -> value, steps rising.
    """

    status: str
    reason: str
    steps: int
    final: Mapping[str, float]
    curves: Mapping[int, Mapping[str, float]]


class Tracker(Protocol):
    """Writes runs somewhere. All calls come from one thread, and whatever is raised ends only it."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def check(self) -> None:
        """Called before anything is started.

        Raises:
            FuncdlError: if it cannot work, as where its library is missing.
        """
        ...

    def looked(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        """A run that is being done has these metrics at a step."""
        ...

    def finished(self, run: Run, ended: Ended) -> None:
        """A run has ended; also called for runs of earlier times, which may be there already."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


def need(library: str) -> None:
    """Refuse to start without a library.

    Raises:
        FuncdlError: says how to install it.
    """
    found = find_spec(library)
    # A folder `./wandb`, where that library writes its runs, can be imported, too, and is no library.
    if found is None or found.origin is None:
        raise FuncdlError(
            f"{library} is not installed, which this needs; install it by "
            "`pip install 'funcdl[track]'`, or leave the option out"
        )


def run_of(study: str, label: Label, recipe: Mapping[str, Any]) -> Run:
    """A run from where it stands and its recipe."""
    at = (label.block, label.method, label.phase, label.trial, label.repeat)
    return Run(label.id, study, *at, config=flat(recipe))


def run_of_row(study: str, row: Row) -> tuple[Run, Ended]:
    """A finished run, as it is stored."""
    recipe = json.loads(row.recipe)
    at = (row.block, row.method, row.phase, row.trial, row.repeat)
    points: dict[int, dict[str, float]] = {}
    for metric, curve in row.curves.items():
        for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
            points.setdefault(step, {})[metric] = value
    ended = Ended(row.status, row.reason, row.steps, dict(row.final), dict(sorted(points.items())))
    return Run(row.id, study, *at, config=flat(recipe)), ended


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Number]:
    """A nested config with dotted keys; what is no number, word or switch becomes a word.

    >>> flat({"train": {"steps": 40, "clip": None}, "model": {"hidden": [16, 8]}})
    {'train.steps': 40, 'model.hidden': '[16, 8]'}
    """
    found: dict[str, Number] = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            plain = isinstance(value, float | int | str | bool)
            found[f"{prefix}{key}"] = value if plain else str(value)
    return found


def folder_name(text: str) -> str:
    """A name that every file system takes.

    >>> folder_name("sgd/0.1: <b>")
    'sgd_0.1_ _b_'
    """
    kept = "".join(c if c.isalnum() or c in " -_.+=@" else "_" for c in text)[:80]
    return kept if kept.strip(". ") else "_"


def under(root: Path, run: Run) -> Path:
    """The folder of a run: study, block, method, and which run it is."""
    parts = [run.study, *([run.block] if run.block else []), run.method]
    return root.joinpath(*map(folder_name, parts)) / f"{run.name} {run.id[:8]}"
