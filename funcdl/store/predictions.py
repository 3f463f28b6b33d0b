"""What models said of each validation and test example, and what they learnt, where a study keeps it.

It stands beside the rows, `predictions/*.parquet`, since it may be a thousand times as large: a line
per run and split, and a line per data set and split with the targets, so that a study can be judged
anew without its data. What a run has learnt is a line per array, whose `split` is its name (such as
"parameters/params/Dense_0/kernel"). The files are parts as those of `runs/` are
(`funcdl.store.parts`): whole or absent, each named by its digest; a run's row holds the digest of all
that is kept of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from funcdl.store import fault
from funcdl.store.files import explained, make_folder, read_whole, set_aside
from funcdl.store.parts import join_parts, paths, read_parts, table_in, write_part
from funcdl.store.row import Row, predictions_digest

FOLDER = "predictions"
PART_BYTES = 2**26  # parts are joined up to this size
MANY_PARTS = 256
_KEY = ("data", "run", "split")
_SCHEMA = pa.schema(
    [
        ("run", pa.string()),  # empty for targets
        ("data", pa.string()),
        ("split", pa.string()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.field("element", pa.int64()))),
        ("outputs", pa.list_(pa.field("element", pa.float32()))),
        ("targets", pa.list_(pa.field("element", pa.float64()))),
    ]
)


class Line(NamedTuple):
    """One array: outputs [n, k] of a run, or targets of a data set (then `run` is empty)."""

    run: str
    data: str
    split: str
    array: np.ndarray


class Predictions:
    """What is kept, for the process that owns the folder; see also `read_predictions`."""

    def __init__(self, study: Path):
        """Looks at what is there; damaged parts are set aside and listed in `damaged`."""
        self.folder = study / FOLDER
        self.damaged: list[Path] = []
        self._whole: set[str] = set()
        self._data: set[str] = set()  # whose targets are written
        self._parts = 0
        for path in paths(self.folder):
            content = read_whole(path)
            if hashlib.sha256(content).hexdigest()[:32] != path.stem:
                self.damaged.append(set_aside(path).with_name(path.name))
                continue
            runs = table_in(content, ["run", "data"])
            of_runs = zip(*(runs[name].to_pylist() for name in ("run", "data")), strict=True)
            for run, data in of_runs:
                (self._whole if run else self._data).add(run or data)

    def complete(self, rows: pa.Table) -> pa.Table:
        """The rows without those whose predictions should be there and are not."""
        if "predictions" not in rows.column_names:
            return rows
        there = pa.array(sorted(self._whole), pa.string())
        whole = pc.is_in(rows["id"], there)  # type: ignore[attr-defined]
        return rows.filter(pc.or_(pc.is_null(rows["predictions"]), whole))  # type: ignore[attr-defined]

    def write(self, rows: Sequence[Row]) -> None:
        """Makes the predictions of finished runs durable, as a part; nothing if none are kept.

        Raises:
            StoreError: if they cannot be written.
        """
        lines: list[Line] = []
        for row in rows:
            lines += [Line(row.id, row.data_digest, split, x) for split, x in row.outputs.items()]
            if row.outputs and row.data_digest not in self._data:
                lines += [Line("", row.data_digest, split, x) for split, x in row.targets.items()]
                self._data.add(row.data_digest)
        if not lines:
            return
        if not self.folder.exists():
            with explained(self.folder):
                fault.passed("folder.room")
                make_folder(self.folder)
        write_part(self.folder, _table(lines))
        self._parts += 1
        if self._parts >= MANY_PARTS:
            _join(self.folder, lambda table: table)
            self._parts = 0

    def settle(self, known: Collection[str]) -> None:
        """Joins small parts in an order of their own, and drops what no row speaks of.

        Args:
            known: the runs whose rows are stored.

        Raises:
            StoreError: if a file cannot be written or removed.
        """
        runs = pa.array(sorted(known), pa.string())

        def wanted(table: pa.Table) -> pa.Table:
            mine = pc.is_in(table["run"], runs)  # type: ignore[attr-defined]
            return table.filter(pc.or_(mine, pc.equal(table["run"], "")))  # type: ignore[attr-defined]

        _join(self.folder, wanted)
        self._parts = 0


def read_predictions(study: Path, expected: Mapping[str, str]) -> tuple[list[Line], list[Path]]:
    """The targets, and the predictions of these runs.

    Args:
        study: the study's folder.
        expected: run id -> digest of its predictions; what does not match it is left out.

    Returns:
        Each array once, and the parts that were damaged.

    Raises:
        StoreError: if a part cannot be read.
    """
    folder = study / FOLDER
    while True:
        try:
            found = list(read_parts(folder))
            break
        except FileNotFoundError:  # the owner has just joined parts
            continue
    lines: dict[tuple[str, str, str], Line] = {}
    for _, table in found:
        if table is not None:
            for line in _lines(table, expected):
                lines.setdefault(line[:3], line)
    by_run: dict[str, dict[str, np.ndarray]] = {}
    for line in lines.values():
        by_run.setdefault(line.run, {})[line.split] = line.array
    good = {run for run, arrays in by_run.items() if _is(arrays, expected.get(run))} | {""}
    damaged = [path for path, table in found if table is None]
    return [line for line in lines.values() if line.run in good], damaged


def _is(arrays: Mapping[str, np.ndarray], digest: str | None) -> bool:
    return predictions_digest(arrays) == digest


def _join(folder: Path, wanted: Callable[[pa.Table], pa.Table]) -> None:
    small = [path for path in paths(folder) if path.stat().st_size < PART_BYTES // 2]
    if not small:
        return
    tables = [t for path, t in read_parts(folder, small) if t is not None]
    join_parts(folder, small, _pieces(_in_order(wanted(pa.concat_tables(tables)))))


def _in_order(table: pa.Table) -> pa.Table:
    """Each line once, whoever wrote it twice, in an order that tells nothing of when."""
    first: dict[tuple[str, ...], int] = {}
    for i, key in enumerate(zip(*(table[n].to_pylist() for n in _KEY), strict=True)):
        first.setdefault(key, i)
    return table.take(pa.array([first[key] for key in sorted(first)], pa.int64()))


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    """Tables of a bounded size."""
    lines = max(1, PART_BYTES * table.num_rows // max(1, table.nbytes))
    return (table.slice(start, lines) for start in range(0, table.num_rows, lines))


def _table(lines: Sequence[Line]) -> pa.Table:
    flat = [np.ravel(line.array) for line in lines]
    both = list(zip(lines, flat, strict=True))
    columns = [
        [line.run for line in lines],
        [line.data for line in lines],
        [line.split for line in lines],
        [str(line.array.dtype) for line in lines],
        [list(line.array.shape) for line in lines],
        [x.astype(np.float32) if line.run else None for line, x in both],
        [None if line.run else x.astype(np.float64) for line, x in both],
    ]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, _SCHEMA, strict=True)]
    return pa.table(arrays, schema=_SCHEMA)


def _lines(table: pa.Table, runs: Collection[str]) -> Iterator[Line]:
    """The lines of these runs, and the targets."""
    names = ("run", "data", "split", "dtype", "shape")
    for i, values in enumerate(zip(*(table[n].to_pylist() for n in names), strict=True)):
        run, data, split, dtype, shape = values
        if not run or run in runs:
            flat = table["outputs" if run else "targets"][i].values.to_numpy()
            yield Line(run, data, split, flat.astype(dtype).reshape(shape))
