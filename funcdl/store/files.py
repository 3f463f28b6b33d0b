"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from funcdl.errors import StoreError
from funcdl.store import fault

# The folders in a study's folder.
ROOMS = ("runs", "checkpoints", "report", "report/tables", "report/figures")
ASKED_FOR = ("predictions",)  # those that only some studies have
ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EFBIG: "a file may not grow so large here; raise the limit (`ulimit -f unlimited`) and "
    "run the same command again",
    errno.EROFS: "the file system is read-only; choose another folder with --out",
    errno.EACCES: "permission denied; choose another folder with --out",
    errno.EPERM: "not permitted; choose another folder with --out",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another with --out",
    errno.ENOENT: "its folder is gone; was it deleted or renamed meanwhile?",
    errno.EIO: "the disk reported an error; choose another folder with --out",
}
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an `OSError` of the block into a `StoreError` that names the path and the way out."""
    try:
        yield
    except OSError as error:
        advice = ADVICE.get(error.errno or 0) or error.strerror or str(error)
        raise StoreError(f"{path}: cannot be written: {advice}") from error


def read_whole(path: Path) -> bytes:
    """A file's content.

    Raises:
        FileNotFoundError: if there is no such file.
        StoreError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that a reader sees the old content or the new, whatever happens meanwhile.

    When it returns, the content outlives a power cut.

    Args:
        path: where the file shall be.
        content: all of it.

    Raises:
        StoreError: if it cannot be written; the old file, if any, is then intact.
    """
    in_report = path.parent.parent.name == "report"
    room = path.parent.name if path.parent.name in (*ROOMS, *ASKED_FOR) else path.stem
    place = "report" if in_report else room
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with explained(path):
        fault.passed(f"{place}.begin")
        try:
            with open(temporary, "wb") as file:
                fault.passed(f"{place}.opened")
                middle = len(content) // 2
                file.write(memoryview(content)[:middle])
                file.flush()
                fault.passed(f"{place}.half")
                file.write(memoryview(content)[middle:])
                file.flush()
                fault.passed(f"{place}.written")
                os.fsync(file.fileno())
            fault.passed(f"{place}.synced")
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        fault.passed(f"{place}.renamed")
        sync_folder(path.parent)
        fault.passed(f"{place}.done")


def sync_folder(folder: Path) -> None:
    """Makes renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, durably."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def set_aside(path: Path) -> Path:
    """Renames a damaged file out of the way, to a name that is free; it is never deleted.

    Raises:
        StoreError: if it cannot be renamed.
    """
    aside = path.with_name(path.name + ".damaged")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged.{number}")
    with explained(path):
        fault.passed("damaged.rename")
        path.rename(aside)
    return aside


def remove_leftovers(folder: Path) -> None:
    """Removes temporary files that a killed process left in a folder."""
    for path in folder.glob(".*.tmp"):
        if _LEFTOVER.fullmatch(path.name):
            with contextlib.suppress(OSError):
                fault.passed("leftover.unlink")
                path.unlink()
