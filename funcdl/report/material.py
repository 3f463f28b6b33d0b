"""Everything that a report is made from, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from funcdl.report.question import Question


def _no_examples(_: str) -> Mapping[str, np.ndarray]:
    return {}


def _alone(_: str) -> np.ndarray | None:
    return None


class Material(NamedTuple):
    """A study's question and what its runs found, finished or not.

    question: what was asked.
    runs: a row per run, as `fd.load(folder).runs` gives it.
    metrics: a row per run, step and metric.
    examples: `examples("test/accuracy") -> {run id: [n] float32}`, the metric of each test example,
        for the measured runs that have it.
    units: `units(run id) -> [n]` integers; test examples with equal numbers belong together (one
        customer, one hour of a series) and are no independent evidence. None: each stands alone.
    predictions: `predictions("test") -> {run id: [n, k] float32}`, the outputs of the measured runs,
        where the study keeps them; `targets("test") -> {run id: [n, ...]}`, what was to be predicted.
    joined: name of a table -> its rows as a reader sees them, where several studies are joined:
        "folders" (where the runs come from) and "agreement" (of runs that several folders hold).
    """

    question: Question
    runs: pd.DataFrame
    metrics: pd.DataFrame = pd.DataFrame(
        columns=["run", "block", "method", "step", "metric", "value"]
    )
    examples: Callable[[str], Mapping[str, np.ndarray]] = _no_examples
    units: Callable[[str], np.ndarray | None] = _alone
    predictions: Callable[[str], Mapping[str, np.ndarray]] = _no_examples
    targets: Callable[[str], Mapping[str, np.ndarray]] = _no_examples
    joined: Mapping[str, pd.DataFrame] = {}
