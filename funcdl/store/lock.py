"""The one process that may write to a study's folder, held by `flock`.

The lock goes with the process: an owner that died holds nothing, however it died.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from funcdl.errors import StoreError
from funcdl.store import fault
from funcdl.store.files import (
    ASKED_FOR,
    ROOMS,
    explained,
    make_folder,
    remove_leftovers,
    sync_folder,
)

NAME = "lock"
_held: dict[Path, IO[str]] = {}  # by this process


class BusyError(StoreError):
    """The folder is held by another process."""


@contextlib.contextmanager
def owned(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Makes a study's folder if need be, and holds it alone for the length of the block.

    Args:
        path: the study's folder.

    Yields:
        The folder's path, with its rooms made and a killed owner's temporary files removed.

    Raises:
        BusyError: if another process holds the folder, with its name.
        StoreError: if it holds something that is not a study, or if it cannot be written.
    """
    path = Path(path)
    _refuse_others_things(path)
    with explained(path):
        fault.passed("folder.begin")
        make_folder(path)
        fault.passed("folder.made")
        lock = open(path / NAME, "a+", encoding="utf-8")  # noqa: SIM115 (held until the end)
    with lock:
        _take(lock, path)
        with explained(path):
            fault.passed("folder.locked")
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            fault.passed("folder.named")
            for room in ROOMS:
                fault.passed("folder.room")
                (path / room).mkdir(exist_ok=True)
                remove_leftovers(path / room)
            for room in ASKED_FOR:
                remove_leftovers(path / room)
            remove_leftovers(path)
            sync_folder(path)
            fault.passed("folder.ready")
        _held[path] = lock
        try:
            yield path
        finally:
            del _held[path]
            with contextlib.suppress(OSError):  # a finished study leaves no trace of who ran it
                lock.truncate(0)


def assure_held(path: Path) -> None:
    """Makes sure that a folder this process holds is still the one it took.

    A folder that was deleted, or replaced by another, would otherwise swallow hours of runs. A path
    that this process does not hold is passed over.

    Raises:
        StoreError: if it is not.
    """
    lock = _held.get(path)
    if lock is None:
        return
    try:
        there = os.path.samestat(os.stat(path / NAME), os.fstat(lock.fileno()))
    except OSError:
        there = False
    if not there:
        raise StoreError(
            f"{path}: was deleted, renamed or replaced while the study ran; what was not yet saved "
            "there is lost; run the same command again"
        )


def _refuse_others_things(path: Path) -> None:
    if path.is_symlink():
        raise StoreError(f"{path}: is a symbolic link; give the folder itself")
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: is a file; a study needs a folder; choose another with --out")
    with explained(path):
        empty = not path.is_dir() or not any(path.iterdir())
    if not empty and not (path / NAME).exists() and not (path / "plan.json").exists():
        raise StoreError(
            f"{path}: holds files that are not a study's; choose an empty or new folder with --out"
        )


def _take(lock: IO[str], path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(
            f"{path}: in use by {_owner(lock)}; "
            "wait for it to end, or choose another folder with --out"
        ) from None
    except OSError as error:  # some network file systems have no locks
        raise StoreError(
            f"{path}: cannot be locked ({error.strerror}); choose a folder on a local disk with --out"
        ) from error


def _owner(lock: IO[str]) -> str:
    """Who holds the lock; it takes a moment to write its name."""
    for _ in range(20):
        lock.seek(0)
        name = lock.read().strip()
        if name:
            return name
        time.sleep(0.05)
    return "another process"


def _let_go() -> None:
    """In a forked child: it would otherwise go on holding the folder of a parent that died."""
    for lock in _held.values():
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, lock.fileno())
        os.close(nothing)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
