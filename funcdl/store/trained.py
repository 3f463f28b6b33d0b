"""What a study with `keep: [parameters]` holds of its networks, for another study to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from funcdl.config.names import unknown
from funcdl.errors import DamageError, StoreError
from funcdl.plan.start import Arrays, Source
from funcdl.store.folder import MANIFEST, Folder
from funcdl.store.parts import read_rows
from funcdl.store.predictions import read_predictions
from funcdl.types import PARAMETERS

_COLUMNS = ("id", "block", "method", "repeat", "status", "data_digest")


def find_source(text: str) -> Source:
    """What a finished study kept of a method.

    Args:
        text: STUDY/METHOD: the study's folder, and a label of its table, after its block's if there are
            blocks. Both may hold slashes.

    Raises:
        StoreError: if there is no such study or method, if the study is not finished or has kept no
            parameters, and (a `DamageError`) if they are not as they were written.
    """
    folder, method = _parted(text)
    if not (folder.path / MANIFEST).exists():
        raise StoreError(f"{folder.path}: the study is not finished; run its command to its end")
    table, damaged = read_rows(folder.path / "runs")
    if damaged:
        raise DamageError(
            f"{damaged[0]}: not as it was written; run the study's command to repair it"
        )
    rows = _measured(table, method, folder)
    kept = _kept(folder.path, rows)
    asked = folder.plan["question"]
    best = _best(rows, asked["selected_by"], asked["mode"])
    classes = folder.plan["data"].get(rows[best]["data_digest"], ())
    return Source(f"{asked['name']}/{method}", tuple(classes), kept, best)


def parameters_of(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters among all that is kept of a run, by name."""
    return {k.removeprefix(PARAMETERS): x for k, x in outputs.items() if k.startswith(PARAMETERS)}


def _parted(text: str) -> tuple[Folder, str]:
    """The study's folder and the method; the longest beginning that is a study's folder is the one."""
    words = text.rstrip("/").split("/")
    for end in range(len(words) - 1, 0, -1):
        folder = Path("/".join(words[:end]) or "/")
        if (folder / "plan.json").is_file():
            return Folder(folder), "/".join(words[end:])
    raise StoreError(
        f"{text}: no part of this path is a study's folder; give STUDY/METHOD, the folder that "
        "`funcdl run` made and a label of its table, such as runs/pretraining/cnn; if the study has not "
        "been run, run it first"
    )


def _measured(table: pa.Table | None, method: str, folder: Folder) -> dict[int, dict[str, Any]]:
    """Repeat -> its row, of the method's measured runs."""
    if table is None:
        raise StoreError(f"{folder.path}: holds no finished run")
    metric = folder.plan["question"]["selected_by"]
    wanted = [
        n for n in (*_COLUMNS, "current", "phase", "predictions", metric) if n in table.column_names
    ]
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in table.select(wanted).to_pylist():
        if row["current"] and row["phase"] == "measure":
            label = f"{row['block']}/{row['method']}" if row["block"] else row["method"]
            found.setdefault(label, {})[row["repeat"]] = row
    if method not in found:
        raise StoreError(f"{folder.path}: {unknown('method', method, found)}")
    bad = next((i for i, row in sorted(found[method].items()) if row["status"] != "ok"), None)
    if bad is not None:
        status = found[method][bad]["status"]
        raise StoreError(
            f"{folder.path}: repeat {bad} of {method} {status}; nothing can begin with it"
        )
    return found[method]


def _kept(folder: Path, rows: Mapping[int, Mapping[str, Any]]) -> dict[int, Arrays]:
    expected = {row["id"]: row["predictions"] for row in rows.values() if row.get("predictions")}
    lines, damaged = read_predictions(folder, expected)
    if damaged:
        raise DamageError(
            f"{damaged[0]}: not as it was written; run the study's command to repair it"
        )
    of_run: dict[str, dict[str, np.ndarray]] = {}
    for line in lines:
        if line.run:
            of_run.setdefault(line.run, {})[line.split] = line.array
    kept: dict[int, Arrays] = {
        i: parameters_of(of_run.get(row["id"], {})) for i, row in rows.items()
    }
    if not all(kept.values()):
        raise StoreError(
            f"{folder}: keeps no parameters of this method; add `keep: [parameters]` to its config and "
            "run its command again"
        )
    return kept


def _best(rows: Mapping[int, Mapping[str, Any]], metric: str, mode: str) -> int:
    """The repeat that was best on validation data; the earliest of equals."""
    sign = -1 if mode == "max" else 1
    return min(sorted(rows), key=lambda repeat: sign * rows[repeat][metric])
