"""A run as it is stored: what it was, how it ended, and everything measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from funcdl.types import Curve


class Row(NamedTuple):
    """One run.

    id: the identity of everything that determines the run (hex).
    block, method, compare, phase, trial, repeat: where it stands in the study; `compare` maps each
        axis to its label.
    tuned: the tuned keys and this trial's values.
    recipe: the resolved config, as canonical JSON.
    status: "ok", "diverged" or "failed".
    reason: why it failed; empty otherwise.
    steps: how many steps it did; `diverged_at`: the first step that was not finite, or -1.
    digest: SHA-256 of the final parameters; empty for a failed run.
    final: metric -> value, such as "test/accuracy".
    curves: metric -> Curve.
    examples: metric -> [n] float32, one value per example of the split.
    parameters: how many numbers the model trains.
    program, environment: digests of the program and of the machine and versions that ran it.
    seconds: time it took to run, without compiling; it determines nothing.
    data_digest: of the data set it was trained and judged on.
    flops: operations of one training step, as XLA counts them; None where that is not known.
    memory: bytes that its program takes on a device; None where that is not known.
    outputs: split -> [n, k] float32, the model's outputs, and "parameters/..." -> what it has learnt,
        where the study keeps them. They and the `targets` stand in files of their own
        (`funcdl.store.predictions`), their digest in the row.
    """

    id: str
    block: str
    method: str
    compare: Mapping[str, str]
    phase: str
    trial: int
    repeat: int
    tuned: Mapping[str, Any]
    recipe: str
    status: str
    reason: str
    steps: int
    diverged_at: int
    digest: str
    final: Mapping[str, float]
    curves: Mapping[str, Curve]
    examples: Mapping[str, np.ndarray]
    parameters: int
    program: str
    environment: str
    seconds: float
    data_digest: str = ""
    flops: float | None = None
    memory: int | None = None
    outputs: Mapping[str, np.ndarray] = {}
    targets: Mapping[str, np.ndarray] = {}


LABELS = ("block", "method", "compare", "phase", "trial", "repeat", "tuned")
_TYPES: dict[str, pa.DataType] = {
    "id": pa.string(),
    "block": pa.string(),
    "method": pa.string(),
    "compare": pa.string(),
    "phase": pa.string(),
    "trial": pa.int32(),
    "repeat": pa.int32(),
    "tuned": pa.string(),
    "current": pa.bool_(),
    "recipe": pa.string(),
    "status": pa.string(),
    "reason": pa.string(),
    "steps": pa.int64(),
    "diverged_at": pa.int64(),
    "digest": pa.string(),
    "parameters": pa.int64(),
    "program": pa.string(),
    "environment": pa.string(),
    "data_digest": pa.string(),
    "seconds": pa.float64(),
    "flops": pa.float64(),
    "memory": pa.int64(),
}


def to_table(rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table.

    The columns of `Row`, with `compare` and `tuned` as JSON; `current` (true); `predictions`, the
    digest of what is kept of them, if anything is; per metric a float64
    column of its name; `curve.<metric>.steps` and `.values`, and `examples.<metric>`, as lists.
    """
    columns: dict[str, pa.Array] = {}
    for name, kind in _TYPES.items():
        values = [True if name == "current" else getattr(row, name) for row in rows]
        if name in ("compare", "tuned"):
            values = [json.dumps(value, sort_keys=True) for value in values]
        columns[name] = pa.array(values, kind)
    if any(row.outputs for row in rows):
        columns["predictions"] = pa.array([predictions_digest(row.outputs) for row in rows])
    for name in _names(row.final for row in rows):
        columns[name] = pa.array([row.final.get(name) for row in rows], pa.float64())
    for name in _names(row.curves for row in rows):
        curves = [row.curves.get(name) for row in rows]
        columns[f"curve.{name}.steps"] = _lists([c and c.steps for c in curves], np.int32)
        columns[f"curve.{name}.values"] = _lists([c and c.values for c in curves], np.float64)
    for name in _names(row.examples for row in rows):
        columns[f"examples.{name}"] = _lists([row.examples.get(name) for row in rows], np.float32)
    return pa.table(columns)


def predictions_digest(outputs: Mapping[str, np.ndarray]) -> str | None:
    """SHA-256 (hex) over the kept outputs of a run, by split; None where nothing is kept."""
    if not outputs:
        return None
    total = hashlib.sha256()
    for split, array in sorted(outputs.items()):
        total.update(f"{split} {array.shape}\n".encode() + np.float32(array).tobytes())
    return total.hexdigest()


def in_order(columns: Sequence[str]) -> list[str]:
    """Columns as `to_table` has them: whatever came first on disk, a finished study looks the same."""
    kinds = ("curve.", "examples.")
    others = sorted(set(columns) - set(_TYPES), key=lambda n: (n.startswith(kinds), n))
    return [*(name for name in _TYPES if name in columns), *others]


def _names(mappings: Any) -> list[str]:
    return sorted({name for mapping in mappings for name in mapping})


def _lists(arrays: Sequence[np.ndarray | None], dtype: Any) -> pa.Array:
    """A list column from arrays, without a Python object per number."""
    lengths = [0 if a is None else len(a) for a in arrays]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    flat = np.concatenate([np.zeros(0, dtype), *[a for a in arrays if a is not None]])
    missing = pa.array([a is None for a in arrays])
    values = pa.array(flat.astype(dtype))
    # Parquet calls a list's items "element"; under that name a table reads back as it was written.
    kind = pa.list_(pa.field("element", values.type))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind, mask=missing)
