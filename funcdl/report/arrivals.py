"""When each measured run reached the study's target, from its validation curve."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from funcdl.report.material import Material
from funcdl.report.record import Record, measured, records


class Arrivals(NamedTuple):
    """A method's measured runs on one problem; all `[runs]`.

    steps: the first evaluation at or beyond the target, or else how long the run was trained; of one
        that diverged on its way, as long as any run, for it will never arrive.
    seconds: likewise; a run's seconds are spread evenly over its steps.
    reached: whether it arrived.
    repeats: which repeat each run is.
    """

    steps: np.ndarray
    seconds: np.ndarray
    reached: np.ndarray
    repeats: np.ndarray

    @property
    def times(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and seconds with infinity for a miss."""
        return (
            np.where(self.reached, self.steps, math.inf),
            np.where(self.reached, self.seconds, math.inf),
        )


class Race(NamedTuple):
    """All methods on one problem.

    arrivals: label -> its runs; methods without a validation curve are not in it.
    steps: up to which every run that did not diverge was trained.
    seconds: up to which it is known of every method how many of its runs had arrived.
    every: the steps of the first evaluation.
    """

    arrivals: dict[str, Arrivals]
    steps: float
    seconds: float
    every: float


def race(material: Material, block: str) -> Race:
    """Who reached the block's target when; nothing is interpolated between evaluations."""
    question = material.question
    runs = _runs(material, block)
    curve = _curve(material, list(runs))
    value, goal = curve["value"].to_numpy(float), question.targets[block]
    with np.errstate(invalid="ignore"):
        beyond = value >= goal if question.mode == "max" else value <= goal
    first = curve[beyond].groupby("run")["step"].min()
    last = curve.groupby("run")["step"].max()
    known = {name: run for name, run in runs.items() if name in last.index and last[name] > 0}
    lengths = {name: float(run.get("steps") or last[name]) for name, run in known.items()}
    whole = [name for name, run in known.items() if run["status"] != "diverged"] or list(known)
    longest = max(lengths.values(), default=0.0)
    slowest = max((_seconds(run) for run in known.values()), default=0.0)
    rows: dict[str, list[tuple[float, float, bool, int]]] = {}
    for name, run in known.items():
        took = _seconds(run)
        if name in first.index:
            row = (
                float(first[name]),
                took * float(first[name]) / lengths[name],
                True,
                run["repeat"],
            )
        elif run["status"] == "diverged":
            row = (longest, slowest, False, run["repeat"])
        else:
            row = (lengths[name], took, False, run["repeat"])
        rows.setdefault(run["method"], []).append(row)
    found = {
        label: Arrivals(*map(np.array, zip(*each, strict=True))) for label, each in rows.items()
    }
    return Race(
        found,
        min((lengths[name] for name in whole), default=0.0),
        _known_until(found),
        float(curve.loc[curve["step"] > 0, "step"].min()) if known else 0.0,
    )


def _known_until(found: dict[str, Arrivals]) -> float:
    """The last second at which no method's runs have all ended with one of them on its way."""
    last = [one.seconds.max() for one in found.values()]
    open_ended = [
        one.seconds.max()
        for one in found.values()
        if not one.reached[one.seconds == one.seconds.max()].all()
    ]
    return float(min(open_ended or [max(last, default=0.0)]))


def _runs(material: Material, block: str) -> dict[str, Record]:
    """The block's measured runs by id; those that failed say nothing of a method."""
    runs = material.runs
    mine = runs[(runs["phase"] == "measure") & (runs["block"] == block)]
    names = ("id", "block", "method", "repeat", "phase", "status", "steps", "seconds")
    found = measured(records(mine[[name for name in names if name in mine]]), "")
    return {run["id"]: run for run in found if run["status"] != "failed"}


def _curve(material: Material, runs: list[str]) -> pd.DataFrame:
    metrics = material.metrics
    mine = metrics["metric"] == material.question.selected_by
    return metrics.loc[mine & metrics["run"].isin(runs), ["run", "step", "value"]]


def _seconds(run: Record) -> float:
    return float(run.get("seconds") or 0.0)
