"""The runs of a study that are done, for the process that owns its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from funcdl.store.lock import assure_held
from funcdl.store.parts import read_rows, replace_rows, write_part
from funcdl.store.predictions import Predictions
from funcdl.store.row import LABELS, Row, in_order, to_table

COMMIT_SECONDS = 1.0  # what a power cut may cost: a second's worth of finished runs
MANY_PARTS = 256  # are joined, so that a long study has few files


class Label(NamedTuple):
    """Where a run stands in the current study; the fields are those of `Row`."""

    id: str
    block: str
    method: str
    compare: dict[str, str]
    phase: str
    trial: int
    repeat: int
    tuned: dict[str, Any]


class Known(NamedTuple):
    """What planning needs to know of a finished run."""

    status: str
    final: dict[str, float]


class Ledger:
    """Finished runs by id; new ones are written in batches, each whole or not at all."""

    def __init__(self, folder: Path):
        """Reads what is there; damaged parts are set aside and listed in `damaged`.

        A run that failed is not known: it is tried again; nor is one whose predictions are lost.
        """
        self.folder = folder
        self._predictions = Predictions(folder.parent)
        table, self.damaged = read_rows(folder, repair=True)
        self.damaged += self._predictions.damaged
        if table is not None:
            table = self._predictions.complete(_not_failed(table))
        self._tables: list[pa.Table] = [] if table is None else [table]
        self._pending: list[Row] = []
        self._last_commit = time.monotonic()
        self.known: dict[str, Known] = {} if table is None else _known(table)

    def add(self, row: Row) -> None:
        """Takes a finished run; the next `commit` makes it durable."""
        self.known[row.id] = Known(row.status, dict(row.final))
        self._pending.append(row)

    def commit(self, *, at_once: bool = True) -> list[str]:
        """Makes all runs taken so far durable.

        Args:
            at_once: false to wait until the last commit is a second ago; call it often then.

        Returns:
            The runs that are durable from now on.

        Raises:
            StoreError: if they cannot be written, or the study's folder is gone.
        """
        assure_held(self.folder.parent)
        if not self._pending:
            return []
        if not at_once and time.monotonic() - self._last_commit < COMMIT_SECONDS:
            return []
        table = to_table(self._pending)
        self._predictions.write(self._pending)  # before the rows, which speak of them
        write_part(self.folder, table)
        self._tables.append(table)
        if len(self._tables) >= MANY_PARTS:
            self._tables = [pa.concat_tables(self._tables, promote_options="default")]
            replace_rows(self.folder, self._tables[0])
        committed = [row.id for row in self._pending]
        self._pending.clear()
        self._last_commit = time.monotonic()
        return committed

    def rows(self, labels: Sequence[Label]) -> pa.Table | None:
        """The finished ones of these runs, as `settle` would store them; nothing is written."""
        pending = [to_table(self._pending)] if self._pending else []
        if not (self._tables or pending):
            return None
        tables = [*self._tables, *pending]
        table = pa.concat_tables(tables, promote_options="default").combine_chunks()
        at = _positions(table)
        done = [label for label in labels if label.id in at]
        return _relabelled(_rows(table, [at[label.id] for label in done]), done)

    def settle(self, labels: Sequence[Label]) -> None:
        """Makes the stored rows say exactly what the current study holds, in its order.

        Runs that the study no longer names are kept, marked as not current: should it name them
        again, they need not be run again.

        Args:
            labels: all runs of the current study; those that are not finished are passed over.
        """
        self.commit()
        self._predictions.settle(self.known)
        if not self._tables:
            return
        table = pa.concat_tables(self._tables, promote_options="default").combine_chunks()
        at = _positions(table)
        done = [label for label in labels if label.id in at]
        named = {label.id for label in done}
        rest = [index for run, index in at.items() if run not in named]
        settled = _relabelled(_rows(table, [at[label.id] for label in done]), done)
        left = _rows(table, rest)
        left = left.set_column(left.column_names.index("current"), "current", _flags(False, left))
        result = pa.concat_tables([settled, left]).combine_chunks()
        result = result.select(in_order(result.column_names))
        replace_rows(self.folder, result)  # equal rows make an equal part: then nothing is written
        self._tables = [result]


def known_runs(folder: Path) -> dict[str, Known]:
    """Finished runs by id, for whoever does not own the folder and so may repair nothing.

    Args:
        folder: where the rows are.

    Raises:
        StoreError: if they cannot be read.
    """
    table, _ = read_rows(folder)
    return {} if table is None else _known(_not_failed(table))


def _not_failed(table: pa.Table) -> pa.Table:
    """Without the runs that are to be tried again."""
    return table.filter(pc.not_equal(table["status"], "failed"))  # type: ignore[attr-defined]


def _known(table: pa.Table) -> dict[str, Known]:
    metrics = [n for n in table.column_names if n.startswith(("train/", "validation/", "test/"))]
    columns = [table[name].to_pylist() for name in metrics]
    finals = (
        {m: v for m, v in zip(metrics, row, strict=True) if v is not None}
        for row in (zip(*columns, strict=True) if columns else ((),) * table.num_rows)
    )
    return {
        run: Known(status, final)
        for run, status, final in zip(
            table["id"].to_pylist(), table["status"].to_pylist(), finals, strict=True
        )
    }


def _positions(table: pa.Table) -> dict[str, int]:
    """Run -> where its first row is."""
    at: dict[str, int] = {}
    for index, run in enumerate(table["id"].to_pylist()):
        at.setdefault(run, index)
    return at


def _rows(table: pa.Table, positions: list[int]) -> pa.Table:
    return table.take(pa.array(positions, pa.int64()))


def _relabelled(table: pa.Table, labels: Sequence[Label]) -> pa.Table:
    for name in LABELS:
        values = [getattr(label, name) for label in labels]
        if name in ("compare", "tuned"):
            values = [json.dumps(value, sort_keys=True) for value in values]
        position = table.column_names.index(name)
        kind = table.schema.field(name).type
        table = table.set_column(position, name, pa.chunked_array([pa.array(values, kind)]))
    return table.set_column(table.column_names.index("current"), "current", _flags(True, table))


def _flags(value: bool, table: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([value] * table.num_rows, pa.bool_())])
