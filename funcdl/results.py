"""A study's results as pandas frames."""

from __future__ import annotations

import math
import os
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from funcdl.errors import DamageWarning
from funcdl.record import read_record
from funcdl.report.comparisons import comparisons
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.table import table
from funcdl.store.folder import Folder
from funcdl.store.frames import examples_of, metrics_frame, runs_frame
from funcdl.store.manifest import Damage, find_damage
from funcdl.store.parts import read_rows


class Results:
    """What a study found; everything is read from its folder, finished or not.

    folder: the study's folder.
    question: what was asked.
    """

    def __init__(self, folder: Path, question: Question, rows: pa.Table | None):
        """Use `load`."""
        self.folder, self.question, self._rows = folder, question, rows

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run; of a search that stops early, one per trial and tuning repeat.

        Such a row is the trial's run to the last rung it reached, and `steps` tells how far that is.

        Columns: `id`, `block`, `method`, one per compared axis, one per tuned key, `phase` ("tune" or
        "measure"), `trial`, `repeat`, `status` ("ok", "diverged" or "failed"), `reason`, `steps`,
        `diverged_at`, `digest` (SHA-256 of the final parameters), `parameters`, `program`,
        `environment`, `seconds`, and one per metric, such as `test/accuracy`.
        """
        frame = runs_frame(self._rows)
        asked = (self.question.selected_by, self.question.metric)
        missing = [name for name in asked if name not in frame]  # where no run got that far
        return frame.assign(**dict.fromkeys(missing, math.nan))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per run, step and metric: `run`, its labels, `step`, `metric`, `value`."""
        return metrics_frame(self._rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per method: `method`, `n`, `mean`, `low`, `high` and what else `table.csv` has."""
        return table(self.material)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row per contrast: `a`, `b`, `n`, `difference`, `low`, `high`, `p`, `p_holm`, ..."""
        return comparisons(self.material)

    @property
    def material(self) -> Material:
        """What the report is made from."""
        return Material(self.question, self.runs, self.metrics, self.examples)

    def examples(self, metric: str) -> dict[str, np.ndarray]:
        """The metric of each example of the test split: run id -> [n] float32; measured runs only."""
        return examples_of(self._rows, metric)

    def __repr__(self) -> str:
        """The folder and how many runs it holds."""
        return f"Results({str(self.folder)!r}: {len(self.runs)} runs)"


def load(folder: str | os.PathLike[str]) -> Results:
    """Reads a study's folder.

    Args:
        folder: what `funcdl run` made, such as "runs/quickstart"; a study that is still running, or
            was stopped, gives what is there so far.

    Warns:
        DamageWarning: for each file that is not as it was written; what can be trusted is returned.

    Raises:
        StoreError: if it is not a study's folder, its description is damaged, or it was made by a
            newer funcdl.
    """
    opened = Folder(folder)
    rows, damaged = read_rows(opened.path / "runs")
    found = [Damage(f"runs/{path.name}", "is not as it was written") for path in damaged]
    for path, problem in [*found, *find_damage(opened.path)]:
        warnings.warn(
            f"{opened.path / path}: {problem}; the study's command repairs what can be repaired",
            DamageWarning,
            stacklevel=2,
        )
    return Results(opened.path, read_record(opened, rows), rows)
