"""What models said of each validation and test example, where a study keeps it.

It stands beside the rows, `predictions/*.parquet`, since it may be a thousand times as large: a line
per run and split, and a line per data set and split with the targets, so that a study can be judged
anew without its data. The files are parts as those of `runs/` are (`funcdl.store.parts`): whole or
absent, each named by its digest; a run's row holds the digest of its predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from funcdl.store.parts import join_parts, paths, read_parts, write_part
from funcdl.store.row import predictions_digest

FOLDER = "predictions"
PART_BYTES = 2**26  # parts are joined up to this size
SPLITS = ("validation", "test")
_SCHEMA = pa.schema(
    [
        ("run", pa.string()),  # empty for targets
        ("data", pa.string()),
        ("split", pa.string()),
        ("shape", pa.list_(pa.field("element", pa.int64()))),
        ("outputs", pa.list_(pa.field("element", pa.float32()))),
        ("targets", pa.list_(pa.field("element", pa.float64()))),
        ("dtype", pa.string()),
    ]
)


class Kept(NamedTuple):
    """What is kept of one run, or the targets of one data set.

    run: the run's id; empty for targets.
    data: the digest of its data set.
    arrays: split -> outputs [n, k] float32, or targets.
    """

    run: str
    data: str
    arrays: Mapping[str, np.ndarray]


def write_predictions(folder: Path, kept: Sequence[Kept]) -> None:
    """Writes a part; nothing if there is nothing to write.

    Raises:
        StoreError: if it cannot be written.
    """
    if kept:
        folder.mkdir(exist_ok=True)
        write_part(folder, _table(kept))


def read_predictions(folder: Path, expected: Mapping[str, str]) -> Iterator[Kept]:
    """The targets, and the predictions of these runs; each run once, and only if it is whole.

    Args:
        folder: where the parts are.
        expected: run id -> digest of its predictions.
    """
    seen: set[str] = set()
    for table in _tables(folder):
        for one in _kept(table, expected.keys() - seen):
            if one.run and predictions_digest(one.arrays) != expected[one.run]:
                continue
            seen |= {one.run} - {""}
            yield one


def whole_runs(folder: Path, *, damaged: list[Path] | None = None) -> set[str]:
    """The runs whose predictions stand in parts that are as they were written.

    Args:
        folder: where the parts are.
        damaged: receives the others.
    """
    runs: set[str] = set()
    for path, table in read_parts(folder):
        if table is not None:
            runs |= set(table["run"].to_pylist()) - {""}
        elif damaged is not None:
            damaged.append(path)
    return runs


def settle_predictions(folder: Path, known: Set[str]) -> None:
    """Joins small parts, and leaves out what no row speaks of.

    Args:
        folder: where the parts are; nothing is done if it is not there.
        known: the runs whose rows are stored.

    Raises:
        StoreError: if a file cannot be written or removed.
    """
    small = [path for path in paths(folder) if path.stat().st_size < PART_BYTES // 2]
    if len(small) > 1:
        tables = [table for path, table in read_parts(folder) if table is not None and path in small]
        joined = pa.concat_tables(tables)
        wanted = pa.array([*known, ""], pa.string())
        joined = joined.filter(pc.is_in(joined["run"], wanted))  # type: ignore[attr-defined]
        join_parts(folder, small, _pieces(_each_once(joined)))


def _pieces(table: pa.Table) -> Iterator[pa.Table]:
    """The lines in their order, in tables of a bounded size."""
    order = sorted(
        range(table.num_rows),
        key=lambda i: tuple(table[name][i].as_py() for name in ("data", "run", "split")),
    )
    table = table.take(pa.array(order, pa.int64()))
    per_line = max(1, table.nbytes // max(1, table.num_rows))
    lines = max(1, PART_BYTES // per_line)
    return (table.slice(start, lines) for start in range(0, table.num_rows, lines))


def _each_once(table: pa.Table) -> pa.Table:
    """Targets are written by every process that works on a study."""
    first: dict[tuple[str, ...], int] = {}
    names = ("run", "data", "split")
    for i, key in enumerate(zip(*(table[n].to_pylist() for n in names), strict=True)):
        first.setdefault(key, i)
    return table.take(pa.array(list(first.values()), pa.int64()))


def _tables(folder: Path) -> Iterator[pa.Table]:
    while True:
        try:
            found = [table for _, table in read_parts(folder) if table is not None]
        except FileNotFoundError:  # the owner has just joined parts
            continue
        yield from found
        return


def _table(kept: Sequence[Kept]) -> pa.Table:
    lines = [(one, split, array) for one in kept for split, array in one.arrays.items()]
    targets = [not one.run for one, _, _ in lines]
    flat = [np.ravel(array) for _, _, array in lines]
    columns = [
        [one.run for one, _, _ in lines],
        [one.data for one, _, _ in lines],
        [split for _, split, _ in lines],
        [list(array.shape) for _, _, array in lines],
        [None if t else x.astype(np.float32) for x, t in zip(flat, targets, strict=True)],
        [x.astype(np.float64) if t else None for x, t in zip(flat, targets, strict=True)],
        [str(array.dtype) for _, _, array in lines],
    ]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
    )


def _kept(table: pa.Table, runs: Set[str]) -> Iterator[Kept]:
    """The lines of these runs and the targets, the splits of one together."""
    parts: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for i, (run, data) in enumerate(
        zip(table["run"].to_pylist(), table["data"].to_pylist(), strict=True)
    ):
        if run and run not in runs:
            continue
        name = "outputs" if run else "targets"
        flat = table[name][i].values.to_numpy(zero_copy_only=False)
        array = flat.astype(table["dtype"][i].as_py()).reshape(table["shape"][i].as_py())
        parts.setdefault((run, data), {})[table["split"][i].as_py()] = array
    return (Kept(run, data, arrays) for (run, data), arrays in parts.items())
