"""A study's results as pandas frames."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from funcdl.errors import DamageError, DamageWarning
from funcdl.plan_json import read_record
from funcdl.report.answer import Answer, answer
from funcdl.report.comparisons import comparisons
from funcdl.report.material import Material
from funcdl.report.question import Question
from funcdl.report.table import table
from funcdl.store.folder import Folder
from funcdl.store.frames import examples_of, metrics_frame, runs_frame
from funcdl.store.manifest import Damage, find_damage
from funcdl.store.parts import read_rows
from funcdl.store.predictions import read_predictions
from funcdl.store.trained import parameters_of
from funcdl.store.units import NAME as UNITS
from funcdl.store.units import read_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Results:
    """What a study found; everything is read from its folder, finished or not.

    folder: the study's folder.
    question: what was asked.
    """

    def __init__(
        self,
        folder: Path,
        question: Question,
        rows: pa.Table | None,
        units: Mapping[str, np.ndarray] | None = None,
    ):
        """Use `load`; `units`, by data set, are read from the folder if left out."""
        self.folder, self.question, self._rows, self._known_units = folder, question, rows, units

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run; of a search that stops early, one per trial and tuning repeat.

        Such a row is the trial's run to the last rung it reached, and `steps` tells how far that is.

        Columns: `id`, `block`, `method`, one per compared axis, one per tuned key, `phase` ("tune" or
        "measure"), `trial`, `repeat`, `status` ("ok", "diverged" or "failed"), `reason`, `steps`,
        `diverged_at`, `digest` (SHA-256 of the final parameters), `parameters`, `program`,
        `environment`, `data_digest` (of the data set), `seconds`, and one per metric, such as
        `test/accuracy`.
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
        return Material(
            self.question,
            self.runs,
            self.metrics,
            self.examples,
            self.units,
            predictions=self.predictions,
            targets=self.targets,
        )

    def examples(self, metric: str) -> dict[str, np.ndarray]:
        """The metric of each example of the test split: run id -> [n] float32; measured runs only."""
        return examples_of(self._rows, metric)

    def predictions(self, split: str = "test") -> dict[str, np.ndarray]:
        """What each measured run said of every example, where the study has `keep: [predictions]`.

        Args:
            split: "test" or "validation".

        Returns:
            Run id -> the model's outputs [n, k] float32 (a classifier's are logits), in the order of
            the examples.
        """
        return self._kept.get(split, {})

    def targets(self, split: str = "test") -> dict[str, np.ndarray]:
        """What was to be predicted: run id -> targets [n, ...], for the runs that `predictions` has."""
        of_data = self._kept.get(f"{split} targets", {})
        known = {run: self._data_of.get(run) for run in self.predictions(split)}
        return {run: of_data[data] for run, data in known.items() if data in of_data}

    @cached_property
    def _kept(self) -> dict[str, dict[str, np.ndarray]]:
        """Split -> run id -> outputs, and "SPLIT targets" -> data digest -> targets."""
        if "predictions" not in self.runs:
            return {}
        known = self.runs.dropna(subset="predictions")
        lines, damaged = read_predictions(
            self.folder, dict(zip(known["id"], known["predictions"], strict=True))
        )
        for path in damaged:
            _warn(path, "is not as it was written")
        found: dict[str, dict[str, np.ndarray]] = {}
        for run, data, split, array in lines:
            kind, key = (split, run) if run else (f"{split} targets", data)
            found.setdefault(kind, {})[key] = array
        return found

    def parameters(self, run: str) -> dict[str, np.ndarray]:
        """What a measured run has learnt, where the study has `keep: [parameters]`.

        Args:
            run: its id.

        Returns:
            Arrays by name, such as "params/Dense_0/kernel", at the step whose numbers are reported; empty
            where nothing was kept.
        """
        kept = {name: of_runs[run] for name, of_runs in self._kept.items() if run in of_runs}
        return parameters_of(kept)

    def units(self, run: str) -> np.ndarray | None:
        """Which test examples of a run belong together: [n] integers, equal for those that do.

        Such are the groups that the data were split by, or blocks of time; None where each example
        stands alone.

        Raises:
            DamageError: if that is not as it was stored.
        """
        digest = self._data_of.get(run)
        return None if digest is None else self._units.get(digest)

    @cached_property
    def _data_of(self) -> dict[str, str]:
        frame = self.runs
        if "data_digest" not in frame:
            return {}
        return dict(zip(frame["id"], frame["data_digest"], strict=True))

    @cached_property
    def _units(self) -> Mapping[str, np.ndarray]:
        if self._known_units is not None:
            return self._known_units
        units, wanted = read_units(self.folder), Folder(self.folder).plan.get("units", {})
        if missing := wanted.keys() - units.keys():
            raise DamageError(
                f"{self.folder / UNITS}: lacks the data {', '.join(d[:12] for d in sorted(missing))}; "
                "the study's command writes it again"
            )
        return units

    @cached_property
    def answer(self) -> Answer:
        """The table, the comparisons, the answer in a sentence, and what could overturn it."""
        return answer(self.material)

    def figures(self) -> dict[str, Figure]:
        """Every figure of the report, by the name of its files, such as "learning".

        They are Matplotlib's: a notebook shows them, `savefig` writes them.
        """
        from funcdl.report.exhibits import exhibits

        return {name: one.figure for name, one in exhibits(self.material, self.answer).drawings}

    def figure(self, name: str) -> Figure:
        """One of `figures`.

        Raises:
            KeyError: if the report has no such figure.
        """
        found = self.figures()
        if name not in found:
            raise KeyError(f"no figure {name!r}; there are {', '.join(found) or 'none yet'}")
        return found[name]

    def _repr_html_(self) -> str:
        """The sentence and the table, for a notebook."""
        from funcdl.report.notebook import notebook

        return notebook(self.question, self.answer)

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
        _warn(opened.path / path, problem, level=3)
    return Results(opened.path, read_record(opened, rows), rows)


def _warn(path: Path, problem: str, *, level: int = 2) -> None:
    warnings.warn(
        f"{path}: {problem}; the study's command repairs what can be repaired",
        DamageWarning,
        stacklevel=level,
    )
