"""Which stored row belongs to which run of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from funcdl.plan.contest import Outcome, Run, due
from funcdl.plan.study import Plan


class Pair(NamedTuple):
    """A run that can be done again, and where its row is.

    position: of its contest in the plan.
    run: what the plan calls for now.
    row: the row's index in the table.
    exact: whether the row has the run's identity. If not, it was found by its recipe: something else
        that decides bits (the code of funcdl, the data) is not as it was.
    """

    position: int
    run: Run
    row: int
    exact: bool


def pairs_of(plan: Plan, rows: pa.Table) -> list[Pair]:
    """The stored runs that the plan names, in the study's order; failed ones among them.

    What a search does next depends on what came out, so that the rows' outcomes are followed.
    """
    shelf = _Shelf(plan, rows)
    found = [p for position in range(len(plan.contests)) for p in shelf.pairs(position)]
    # Two methods may share a run; it is done once.
    return list({pair.row: pair for pair in reversed(found)}.values())[::-1]


class _Shelf:
    """Rows by identity and by recipe."""

    def __init__(self, plan: Plan, rows: pa.Table):
        self._plan = plan
        columns = ("id", "status", "recipe", "phase", "repeat", "steps")
        self._rows = rows.select(columns).to_pylist()
        self._scores = _numbers(rows, plan.select[0])
        self._losses = _numbers(rows, "validation/loss")
        self._by_id = {row["id"]: index for index, row in enumerate(self._rows)}
        self._by_recipe: dict[tuple[str, str, int], list[int]] = {}
        for index, row in enumerate(self._rows):
            key = (row["recipe"], row["phase"], row["repeat"])
            self._by_recipe.setdefault(key, []).append(index)

    def pairs(self, position: int) -> list[Pair]:
        """The pairs of one contest."""
        outcomes: dict[str, Outcome] = {}
        pairs: dict[str, Pair] = {}
        while True:
            runs = due(self._plan.contests[position], outcomes)
            new = {p.run.id: p for p in self._found(position, runs, pairs)}
            if not new:
                return list(pairs.values())
            pairs |= new
            outcomes |= {name: self._outcome(pair.row) for name, pair in new.items()}

    def _found(self, position: int, runs: list[Run], known: Mapping[str, Pair]) -> Iterator[Pair]:
        for run in runs:
            if run.id not in known:
                exact = self._by_id.get(run.id)
                row = self._alike(position, run) if exact is None else exact
                if row is not None:
                    yield Pair(position, run, row, exact is not None)

    def _alike(self, position: int, run: Run) -> int | None:
        """A row of the same recipe and the same repeat, trained as far."""
        trial = self._plan.on_split(position, run)
        steps = trial.recipe.get("train", {"steps": 0})["steps"]
        end = steps if run.until is None else run.until
        for index in self._by_recipe.get((trial.text, run.phase, run.repeat), ()):
            row = self._rows[index]
            if row["steps"] == end or row["status"] != "ok":
                return index
        return None

    def _outcome(self, row: int) -> Outcome:
        return Outcome(self._rows[row]["status"], self._scores[row], self._losses[row])


def _numbers(rows: pa.Table, name: str) -> list[Any]:
    if name not in rows.column_names:
        return [None] * rows.num_rows
    return rows[name].to_pylist()
