"""The runs that a study's folder holds already, for a tracker that may lack them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from funcdl.store.parts import read_rows
from funcdl.store.row import Row
from funcdl.types import Curve

AT_ONCE = 500  # rows that are Python objects at a time


def earlier(folder: Path) -> Iterator[Row]:
    """Finished runs of the study as it is, without what is kept per example.

    Args:
        folder: the study's.
    """
    table, _ = read_rows(folder / "runs")
    if table is None:
        return
    names = [name for name in table.column_names if not name.startswith("examples.")]
    rows = table.select(names).filter(table["current"])
    for start in range(0, rows.num_rows, AT_ONCE):
        for row in rows.slice(start, AT_ONCE).to_pylist():
            if row["status"] != "failed":
                yield _row(row)


def _row(found: dict[str, Any]) -> Row:
    apart = ("compare", "tuned")
    plain = {name: found[name] for name in Row._fields if name in found and name not in apart}
    curves = {
        name: Curve(np.asarray(steps, np.int32), np.asarray(values, np.float64))
        for column, steps in found.items()
        if column.startswith("curve.") and column.endswith(".steps") and steps is not None
        for name in [column.removeprefix("curve.").removesuffix(".steps")]
        for values in [found[f"curve.{name}.values"]]
    }
    final = {
        name: value
        for name, value in found.items()
        if "/" in name and not name.startswith("curve.") and value is not None
    }
    return Row(**plain, compare={}, tuned={}, final=final, curves=curves, examples={})
