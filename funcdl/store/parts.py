"""The rows of a study on disk: a few Parquet files, each named by the digest of its content.

A part appears whole, is never changed, and proves itself when it is read. One that does not is set
aside, never deleted, and its runs are run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from funcdl.store import fault
from funcdl.store.files import explained, read_whole, set_aside, sync_folder, write_whole

ROWS_PER_PART = 20_000
SUFFIX = ".parquet"
_NAME = re.compile(r"[0-9a-f]{32}\.parquet")  # a person's own file beside them is left alone


def write_part(folder: Path, table: pa.Table) -> Path:
    """Writes rows as one part of `folder`, and returns its path.

    Raises:
        StoreError: if it cannot be written.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    path = folder / f"{hashlib.sha256(content).hexdigest()[:32]}{SUFFIX}"
    if not path.exists():
        write_whole(path, content)
    return path


def paths(folder: Path) -> list[Path]:
    """The parts that are there, in the order of their names."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(path.name))


def read_parts(
    folder: Path, chosen: Iterable[Path] | None = None
) -> Iterator[tuple[Path, pa.Table | None]]:
    """Reads and verifies parts, in the order of their names; a damaged part gives None.

    Args:
        folder: where they are.
        chosen: which of them; all by default.

    Raises:
        FileNotFoundError: if a part has just been joined with others.
        StoreError: if a part cannot be read.
    """
    for path in paths(folder) if chosen is None else chosen:
        content = read_whole(path)
        if hashlib.sha256(content).hexdigest()[:32] != path.stem:
            yield path, None
        else:
            yield path, table_in(content)


def table_in(content: bytes, columns: list[str] | None = None) -> pa.Table:
    """The rows of a part from its bytes, or some columns of them.

    Without Arrow's threads: as fast for parts of this size, and a process that ended soon after
    reading was aborted by them in two of five cases (pyarrow 26).
    """
    part = pq.ParquetFile(pa.BufferReader(content))
    return part.read(columns, use_threads=False)


def read_rows(folder: Path, *, repair: bool = False) -> tuple[pa.Table | None, list[Path]]:
    """All rows of a study.

    Args:
        folder: where the parts are.
        repair: set damaged parts aside, by adding `.damaged` to their names; for the folder's owner.

    Returns:
        The rows (None when there is none), and the parts that were damaged. A process that died
        while joining parts leaves rows twice; of those the first is kept.

    Raises:
        StoreError: if a part cannot be read, or set aside.
    """
    while True:
        try:
            found = list(read_parts(folder))
            break
        except (
            FileNotFoundError
        ):  # the owner has just joined parts: look again, lest rows be missed
            continue
    damaged = [path for path, table in found if table is None]
    if repair:
        for path in damaged:
            set_aside(path)
    tables = [table for _, table in found if table is not None]
    if not tables:
        return None, damaged
    return _without_doubles(pa.concat_tables(tables, promote_options="default")), damaged


def replace_rows(folder: Path, table: pa.Table) -> None:
    """Joins all parts into as few as possible, holding exactly the rows of `table`.

    The new parts are there before the old ones go, so that no moment loses a row.
    """
    starts = range(0, table.num_rows, ROWS_PER_PART)
    join_parts(folder, paths(folder), (table.slice(start, ROWS_PER_PART) for start in starts))


def join_parts(folder: Path, old: Iterable[Path], tables: Iterable[pa.Table]) -> None:
    """Writes tables as parts in the place of others.

    The new parts are there before the old ones go, so that no moment loses a row; a part that is among
    the old and the new stays as it is.
    """
    written = {write_part(folder, table) for table in tables}
    for path in old:
        if path not in written:
            with explained(path), contextlib.suppress(FileNotFoundError):
                fault.passed(f"{folder.name}.unlink")
                path.unlink()
    with explained(folder):
        fault.passed(f"{folder.name}.joined")
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
