"""Stored rows as pandas frames: one row per run, one row per (run, step, metric)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_HIDDEN = ("compare", "tuned", "current", "recipe")


def runs_frame(table: pa.Table | None) -> pd.DataFrame:
    """One row per run of the current study; of a trial's runs to several rungs, the furthest.

    Columns: `id`, `block`, `method`, a column per compared axis, a column per tuned key, `phase`,
    `trial`, `repeat`, `status`, `reason`, `steps`, `diverged_at`, `digest`, `parameters`, `program`,
    `environment`, `data_digest`, `seconds`, and one per metric, such as
    `test/accuracy`.
    """
    if table is None:
        return pd.DataFrame(columns=["id", "block", "method", "phase", "trial", "repeat", "status"])
    rows = _current(table)
    wide = [n for n in rows.column_names if not n.startswith(("curve.", "examples."))]
    frame = rows.select([n for n in wide if n not in _HIDDEN]).to_pandas()
    axes = _spread(rows["compare"])
    tuned = _spread(rows["tuned"])
    front = frame[["id", "block", "method"]]
    return pd.concat([front, axes, tuned, frame.drop(columns=list(front))], axis=1)


def metrics_frame(table: pa.Table | None) -> pd.DataFrame:
    """One row per (run, step, metric).

    Columns: `run` (its id), `block`, `method`, `phase`, `trial`, `repeat`, `step`, `metric`, `value`.
    """
    labels = ["id", "block", "method", "phase", "trial", "repeat"]
    if table is None:
        return pd.DataFrame(columns=["run", *labels[1:], "step", "metric", "value"])
    rows = _current(table)
    pieces = []
    curves = [n for n in rows.column_names if n.startswith("curve.") and n.endswith(".values")]
    for column in curves:
        metric = column.removeprefix("curve.").removesuffix(".values")
        values = rows[column].combine_chunks()
        steps = rows[f"curve.{metric}.steps"].combine_chunks()
        parents = pc.list_parent_indices(values)  # type: ignore[attr-defined]
        piece = rows.select(labels).take(parents).to_pandas()
        piece["step"] = pc.list_flatten(steps).to_numpy()  # type: ignore[attr-defined]
        piece["metric"] = metric
        piece["value"] = pc.list_flatten(values).to_numpy()  # type: ignore[attr-defined]
        pieces.append(piece)
    frame = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(columns=labels)
    return frame.rename(columns={"id": "run"})


def examples_of(table: pa.Table | None, metric: str) -> dict[str, np.ndarray]:
    """Per-example values of a metric: run id -> [n] float32, for the runs that have them."""
    column = f"examples.{metric}"
    if table is None or column not in table.column_names:
        return {}
    rows = _current(table)
    rows = rows.filter(pc.is_valid(rows[column]))  # type: ignore[attr-defined]
    lists = rows[column].combine_chunks()
    flat = pc.list_flatten(lists).to_numpy().astype(np.float32)  # type: ignore[attr-defined]
    sizes = pc.list_value_length(lists).to_numpy()  # type: ignore[attr-defined]
    ends = np.cumsum(sizes)
    ids = rows["id"].to_pylist()
    return {i: flat[end - n : end] for i, n, end in zip(ids, sizes, ends, strict=True)}


def _current(table: pa.Table) -> Any:
    """The rows of the study as it is now; a trial that is being searched has one, of its last rung.

    Of a study that runs or was killed, the runs to all rungs are marked as current.
    """
    rows = table.filter(table["current"])
    names = ["block", "method", "phase", "trial", "repeat"]
    furthest = rows.group_by(names).aggregate([("steps", "max")])
    if furthest.num_rows == rows.num_rows:
        return rows
    steps = dict(zip(_keys(furthest, names), furthest["steps_max"].to_pylist(), strict=True))
    last = [
        key[2] != "tune" or done == steps[key]
        for key, done in zip(_keys(rows, names), rows["steps"].to_pylist(), strict=True)
    ]
    return rows.filter(pa.array(last))


def _keys(table: Any, names: list[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def _spread(column: pa.ChunkedArray) -> pd.DataFrame:
    """A column of JSON objects as one column per key, in the order of first appearance."""
    distinct: dict[str, dict] = {}
    texts = column.to_pylist()
    for text in texts:
        if text not in distinct:
            distinct[text] = json.loads(text)
    return pd.DataFrame([distinct[text] for text in texts])
