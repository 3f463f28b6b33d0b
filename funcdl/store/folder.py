"""A study's folder: its layout, and the lock of the one process that may write to it.

<study>/study.yaml      the resolved study
        plan.json       the question: methods, contrasts, spaces, numbers of runs and programs
        environments.json   the machines and versions that made the runs, by digest
        runs/*.parquet  one row per run
        checkpoints/    of unfinished runs
        events.jsonl    what happened: starts, replaced workers, damaged files, stops
        report/         index.html, table.csv, comparisons.csv
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from funcdl.errors import StoreError
from funcdl.store.files import explained, remove_leftovers, write_whole

FORMAT = 1  # raised when a folder written by a new funcdl could not be read by an old one
ROOMS = ("runs", "checkpoints", "report")


class Folder:
    """A study's folder, open for reading.

    Raises:
        StoreError: if the path is not a study's folder, or was made by a newer funcdl.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        if not (self.path / "plan.json").is_file():
            raise StoreError(
                f"{self.path}: not a study's folder: it has no plan.json; "
                "give the folder that `funcdl run` made, such as runs/quickstart"
            )
        plan = self.read_json("plan.json")
        if not isinstance(plan, dict) or not isinstance(plan.get("format"), int):
            raise StoreError(f"{self.path / 'plan.json'}: not a plan that funcdl wrote")
        if plan["format"] > FORMAT:
            raise StoreError(
                f"{self.path}: made by a newer funcdl (format {plan['format']}, this one reads up "
                f"to {FORMAT}); install a newer funcdl to read it"
            )

    def read_json(self, name: str, default: Any = None) -> Any:
        """Reads a JSON file of the folder; `default` where there is none."""
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return default
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise StoreError(
                f"{path}: damaged: {error}; delete this file and run the study's command again"
            ) from error


@contextlib.contextmanager
def owned(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Makes a study's folder if need be, and holds it alone for the length of the block.

    The lock goes with the process: an owner that died holds nothing.

    Args:
        path: the study's folder.

    Yields:
        The folder's path, with its rooms made and a killed owner's temporary files removed.

    Raises:
        StoreError: if another process holds the folder (with its name), if it holds something that
            is not a study, or if it cannot be written.
    """
    path = Path(path)
    if path.is_symlink():
        raise StoreError(f"{path}: is a symbolic link; give the folder itself")
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: is a file; a study needs a folder; choose another with --out")
    if path.is_dir() and any(path.iterdir()) and not (path / "lock").exists():
        raise StoreError(
            f"{path}: holds files that are not a study's; choose an empty or new folder with --out"
        )
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = open(path / "lock", "a+", encoding="utf-8")  # noqa: SIM115 (held until the end)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StoreError(
                f"{path}: in use by {lock.read().strip() or 'another process'}; "
                "wait for it to end, or choose another folder with --out"
            ) from None
        with explained(path):
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            for room in ROOMS:
                (path / room).mkdir(exist_ok=True)
                remove_leftovers(path / room)
            remove_leftovers(path)
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):  # a finished study leaves no trace of who ran it
                lock.truncate(0)


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON (no NaN), whole or not at all."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    write_whole(path, text.encode())


def log_event(folder: Path, kind: str, **details: Any) -> None:
    """Appends one line to the folder's log; a log that cannot be written stops nothing."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with (
        contextlib.suppress(OSError),
        open(folder / "events.jsonl", "a", encoding="utf-8") as file,
    ):
        file.write(json.dumps({"time": now, "event": kind, **details}) + "\n")
