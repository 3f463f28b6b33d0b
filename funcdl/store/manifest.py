"""`manifest.json`: the digest of every file of a study, while nobody writes to the folder.

Most files prove themselves. The manifest proves the others (the report), and tells what is missing.
It is taken away before anything changes and written last; a folder without one is being written to,
or its owner was killed, and then files may be between two states. A person's own files are not in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from funcdl.errors import DamageError
from funcdl.store import checkpoint, fault, parts
from funcdl.store.files import explained, read_whole, sync_folder
from funcdl.store.folder import MANIFEST
from funcdl.store.log import read_log
from funcdl.store.sealed import read_sealed, write_sealed

_OF_REPORT = re.compile(r"report/((tables|figures)/)?[\w-][\w.-]*")
ALWAYS = ("study.yaml", "plan.json", "units.json", "environments.json", "events.jsonl")


class Damage(NamedTuple):
    """A file that is not as it was written.

    path: relative to the study's folder.
    problem: what is wrong, in words.
    """

    path: str
    problem: str


def write_manifest(folder: Path, report: Sequence[str]) -> None:
    """Notes the folder's state, as the last thing that is done to it.

    Args:
        folder: the study's folder.
        report: the names of the report's files.

    Raises:
        StoreError: if it cannot be written.
    """
    names = [*ALWAYS, *(f"report/{name}" for name in report), *_parts(folder)]
    found = {name: _digest(folder / name) for name in names}
    write_sealed(folder / MANIFEST, {"files": {n: digest for n, digest in found.items() if digest}})


def renew_report(folder: Path, report: Sequence[str]) -> None:
    """Notes a report that was made again, and vouches for nothing else anew.

    What an earlier report had and this one has not is removed.

    Raises:
        StoreError: if it cannot be written.
    """
    try:
        stated = read_sealed(folder / MANIFEST)["files"]
    except (FileNotFoundError, DamageError):
        return
    names = [f"report/{name}" for name in report]
    others = {name: digest for name, digest in stated.items() if not name.startswith("report/")}
    made = {name: _digest(folder / name) for name in names}
    write_sealed(folder / MANIFEST, {"files": {**others, **made}})
    remove_files(folder, sorted(stated.keys() - others.keys() - made.keys()))


def report_files(folder: Path) -> list[str]:
    """The report's files that the manifest names, relative to the study's folder."""
    try:
        stated = read_sealed(folder / MANIFEST).get("files", {})
    except (FileNotFoundError, DamageError):
        return []
    return sorted(name for name in stated if name.startswith("report/"))


def remove_files(folder: Path, names: Sequence[str]) -> None:
    """Removes files of the report; a name that leads elsewhere is passed over.

    Raises:
        StoreError: if one cannot be removed.
    """
    for name in filter(_OF_REPORT.fullmatch, names):
        with explained(folder / name):
            fault.passed("report.unlink")
            (folder / name).unlink(missing_ok=True)


def at_rest(folder: Path, report: Sequence[str]) -> bool:
    """Whether the folder was left in order, and its report is there."""
    return all((folder / name).exists() for name in (MANIFEST, *(f"report/{r}" for r in report)))


def remove_manifest(folder: Path) -> None:
    """Takes the manifest away; call it before the folder is changed.

    Raises:
        StoreError: if it cannot be removed.
    """
    with explained(folder / MANIFEST):
        fault.passed("manifest.unlink")
        (folder / MANIFEST).unlink(missing_ok=True)
        sync_folder(folder)


def find_damage(folder: Path) -> list[Damage]:
    """Looks at all files of a study but the inside of its rows and checkpoints.

    Those are verified when they are read: see `funcdl.store.parts.read_rows` and
    `funcdl.store.checkpoint.load`.

    Raises:
        StoreError: if a file cannot be read.
    """
    before = _manifest_bytes(folder)
    found = _look(folder)
    if not found:
        return []
    if before is None or before != _manifest_bytes(folder):
        time.sleep(0.5)  # someone is just writing; what is damaged stays so
        found = _look(folder)
    return found


def _look(folder: Path) -> list[Damage]:
    found = {one.path: one for one in [*_against_manifest(folder), *_unproved(folder)]}
    return list(found.values())


def _unproved(folder: Path) -> Iterator[Damage]:
    """Files that fail their own proof."""
    plan = {}
    for name in ("plan.json", "units.json", "environments.json"):
        try:
            content = read_sealed(folder / name)
        except FileNotFoundError:
            continue
        except DamageError:
            yield Damage(name, "its content does not match its seal")
        else:
            plan = content if name == "plan.json" else plan
    study = _digest(folder / "study.yaml")
    if study and plan and study != plan.get("study"):
        yield Damage("study.yaml", "is not the text that plan.json names")
    _, lines = read_log(folder)
    if lines:
        numbers = ", ".join(map(str, lines))
        yield Damage("events.jsonl", f"line {numbers}: not as written; the other lines can be read")


def _against_manifest(folder: Path) -> Iterator[Damage]:
    try:
        stated = read_sealed(folder / MANIFEST).get("files", {})
    except FileNotFoundError:
        if _left_alone(folder):
            yield Damage(
                MANIFEST, "is missing: the last command did not end well, or it was deleted"
            )
        return
    except DamageError:
        yield Damage(MANIFEST, "its content does not match its seal")
        return
    # Deleting the whole report is a person's good right.
    kept = any((folder / name).exists() for name in stated if name.startswith("report/"))
    for name, digest in stated.items():
        found = _digest(folder / name)
        if found is None and (kept or not name.startswith("report/")):
            yield Damage(name, "is missing")
        elif found not in (None, digest):
            yield Damage(name, "is not as it was written")
    for name in _parts(folder):
        if name not in stated:
            yield Damage(name, "was not there when the study ended")


def _parts(folder: Path) -> list[str]:
    paths = [
        *parts.paths(folder / "runs"),
        *parts.paths(folder / "predictions"),
        *checkpoint.paths(folder / "checkpoints"),
    ]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _digest(path: Path) -> str | None:
    """The digest a file states of itself, or that of its content; None where there is no file."""
    try:
        if path.suffix == parts.SUFFIX:
            return path.stem if path.exists() else None
        if path.suffix == checkpoint.SUFFIX:
            return checkpoint.seal(path)
        return hashlib.sha256(read_whole(path)).hexdigest()
    except FileNotFoundError:
        return None


def _left_alone(folder: Path) -> bool:
    """Whether the folder's last owner lived to let go of it: then it took its name off the lock."""
    try:
        return os.stat(folder / "lock").st_size == 0
    except FileNotFoundError:
        return True


def _manifest_bytes(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None
