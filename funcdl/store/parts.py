"""The rows of a study on disk: a few Parquet files, each named by the digest of its content.

A part appears whole, is never changed, and proves itself when it is read. One that does not is set
aside, never deleted, and its runs are run again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from funcdl.store.files import explained, sync_folder, write_whole

ROWS_PER_PART = 20_000


def write_part(folder: Path, table: pa.Table) -> Path:
    """Writes rows as one part of `folder`, and returns its path.

    Raises:
        StoreError: if it cannot be written.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    path = folder / f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"
    if not path.exists():
        write_whole(path, content)
    return path


def read_parts(folder: Path) -> Iterator[tuple[Path, pa.Table | None]]:
    """Reads and verifies all parts, in the order of their names; a damaged part gives None."""
    for path in sorted(folder.glob("*.parquet")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # its rows have just been joined with others
            continue
        if hashlib.sha256(content).hexdigest()[:32] != path.stem:
            yield path, None
        else:
            yield path, pq.read_table(pa.BufferReader(content))


def read_rows(folder: Path, *, repair: bool = False) -> tuple[pa.Table | None, list[Path]]:
    """All rows of a study.

    Args:
        folder: where the parts are.
        repair: set damaged parts aside, by adding `.damaged` to their names; for the folder's owner.

    Returns:
        The rows (None when there is none), and the parts that were damaged. A process that died
        while joining parts leaves rows twice; of those the first is kept.
    """
    tables, damaged = [], []
    for path, table in read_parts(folder):
        if table is not None:
            tables.append(table)
        else:
            damaged.append(path)
            if repair:
                with explained(path):
                    path.rename(path.with_name(path.name + ".damaged"))
    if not tables:
        return None, damaged
    return _without_doubles(pa.concat_tables(tables, promote_options="default")), damaged


def replace_rows(folder: Path, table: pa.Table) -> None:
    """Joins all parts into as few as possible, holding exactly the rows of `table`.

    The new parts are there before the old ones go, so that no moment loses a row.
    """
    written = {
        write_part(folder, table.slice(start, ROWS_PER_PART))
        for start in range(0, table.num_rows, ROWS_PER_PART)
    }
    for path in folder.glob("*.parquet"):
        if path not in written:
            with contextlib.suppress(FileNotFoundError), explained(path):
                path.unlink()
    sync_folder(folder)


def _without_doubles(table: pa.Table) -> pa.Table:
    seen: set[tuple] = set()
    keep = []
    columns = [
        table[name].to_pylist() for name in ("id", "block", "method", "phase", "trial", "repeat")
    ]
    for index, key in enumerate(zip(*columns, strict=True)):
        if key not in seen:
            seen.add(key)
            keep.append(index)
    return table if len(keep) == table.num_rows else table.take(keep)
