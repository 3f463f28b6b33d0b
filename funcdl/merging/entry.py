"""A method as one of the studies has it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from funcdl.merging.source import Source
from funcdl.report.record import Record, measured

Rows = tuple[int, ...]


class Entry:
    """A method of a study and its runs.

    source: the study.
    block, label: where the method stands in it, and its name there.
    config: digest of what it is; equal for the same config, whoever ran it.
    rows: its runs, by their places in the source's table.
    """

    def __init__(self, source: Source, block: str, label: str, config: str, rows: Rows):
        """See the class."""
        self.source, self.block, self.label = source, block, label
        self.config, self.rows = config, rows

    @cached_property
    def labels(self) -> list[dict[str, Any]]:
        """What the rows say of where their runs stand, in the order of `rows`."""
        names = ["id", "phase", "trial", "repeat", "steps", "status", "environment", "recipe"]
        table = self.source.rows.select([*names, "data_digest"])
        return table.take(list(self.rows)).to_pylist()

    @cached_property
    def places(self) -> Mapping[int, int]:
        """Measured repeat -> its row's place; without runs that failed."""
        pairs = zip(self.labels, self.rows, strict=True)
        return {
            label["repeat"]: place
            for label, place in pairs
            if label["phase"] == "measure" and label["status"] != "failed"
        }

    @cached_property
    def searched(self) -> bool:
        """Whether its config was chosen by a search."""
        return any(label["phase"] == "tune" for label in self.labels)

    @cached_property
    def scores(self) -> list[float]:
        """The study's metric of each repeat; of one that diverged, the worst there is."""
        question, metric = self.source.question, self.source.question.metric
        runs: list[Record] = [
            {"block": "", "method": "", "phase": "measure", "repeat": repeat}
            | {
                name: self.source.rows[name][place].as_py()
                for name in ("status", metric)
                if name in self.source.rows.column_names
            }
            for repeat, place in sorted(self.places.items())
        ]
        worst = float("-inf") if question.mode == "max" else float("inf")
        found = [(run["status"], run.get(metric)) for run in measured(runs, metric)]
        return [float(x) if status == "ok" and x is not None else worst for status, x in found]

    @cached_property
    def made_in(self) -> list[dict[str, str]]:
        """The machines and versions of its measured runs, and the code and flags of its study."""
        known, plan = self.source.environments, self.source.plan
        used = {label["environment"] for label in self.labels if label["phase"] == "measure"}
        code = {"funcdl's code": str(plan.get("code", ""))[:12]}
        return [{**known.get(name, {"environment": name}), **code} for name in sorted(used)]
