"""A study's folder, as a reader meets it.

<study>/study.yaml      the resolved study
        plan.json       the question: methods, contrasts, spaces, numbers of runs and programs
        units.json      which test examples belong together, where some do
        environments.json   the machines and versions that made the runs, by digest
        runs/*.parquet  one row per run
        checkpoints/    of unfinished runs
        events.jsonl    what happened: starts, replaced workers, damaged files, stops
        report/         index.html, table.csv, comparisons.csv
        manifest.json   the digests of all files, while nobody writes to the folder
        lock            held by the process that does

Every file proves itself: see `sealed` (JSON), `parts` (rows), `checkpoint`, `log`, and `manifest` for
what is missing and for the rest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from funcdl.errors import DamageError, StoreError
from funcdl.store.sealed import read_sealed

MANIFEST = "manifest.json"  # there while nobody writes to the folder
FORMAT = 1  # raised when a folder written by a new funcdl could not be read by an old one


class Folder:
    """A study's folder, open for reading.

    path: where it is.
    plan: the content of `plan.json`.

    Raises:
        DamageError: if the description of the study is not as it was written.
        StoreError: if the path is not a study's folder, or was made by a newer funcdl.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        try:
            self.plan: dict[str, Any] = read_sealed(self.path / "plan.json")
        except FileNotFoundError:
            raise StoreError(
                f"{self.path}: not a study's folder: it has no plan.json; give the folder that "
                "`funcdl run` made, such as runs/quickstart; if a study's plan.json was deleted, "
                "the study's command writes it again"
            ) from None
        except DamageError as error:
            raise DamageError(f"{error}; the study's command writes it anew") from error
        made = self.plan.get("format")
        if not isinstance(made, int) or made < 1:
            raise DamageError(f"{self.path / 'plan.json'}: not a plan that funcdl wrote")
        if made > FORMAT:
            raise StoreError(
                f"{self.path}: made by a newer funcdl (format {made}, this one reads up to "
                f"{FORMAT}); install a newer funcdl to read it"
            )
