"""What may be opened as data: a file or a folder that is there, whole, and no device."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from funcdl.errors import DataError


class Stamp(NamedTuple):
    """A file as it was when it was looked at; what was read of it can be kept for as long as it is so.

    path: absolute.
    size: in bytes.
    modified: in nanoseconds.
    """

    path: str
    size: int
    modified: int


def stamp(path: str | os.PathLike[str], what: str) -> Stamp:
    """Looks at a file without opening it.

    Args:
      path: of the file, relative to the working folder or absolute.
      what: what the file should be, such as "a CSV file", for messages.

    Raises:
      DataError: if it is missing, empty, a folder, a pipe or a device, or cannot be looked at.
    """
    found = _status(path, what)
    if stat.S_ISDIR(found.st_mode):
        raise DataError(f"{path} is a folder; data.path must be {what}")
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is a pipe or a device, not {what}: copy what it holds into a file")
    if found.st_size == 0:
        raise DataError(f"{path} is empty; data.path must be {what}")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path} cannot be read: its permissions forbid it")
    return Stamp(os.path.abspath(path), found.st_size, found.st_mtime_ns)


def is_folder(path: str | os.PathLike[str], what: str) -> bool:
    """Whether the path is a folder.

    Raises:
      DataError: if there is nothing, or it cannot be looked at.
    """
    return stat.S_ISDIR(_status(path, what).st_mode)


def class_folders(path: str, endings: tuple[str, ...], what: str) -> dict[str, list[str]]:
    """The files of a folder of folders, one for each class: name of the class -> paths, both sorted.

    Args:
      path: the outer folder. Hidden files and folders are not looked at.
      endings: of the files' names, in lower case, such as ".png".
      what: what the path should be, for messages.

    Raises:
      DataError: if it is no such folder: no classes, a class without files, files of other kinds.
    """
    if not is_folder(path, what):
        raise DataError(f"{path} is a file; data.path must be {what}")
    found: dict[str, list[str]] = {}
    try:
        for name in sorted(_shown(path)):
            inside = os.path.join(path, name)
            if os.path.isdir(inside):
                found[name] = [os.path.join(inside, file) for file in sorted(_shown(inside))]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    if len(found) < 2:
        raise DataError(
            f"{path} has {len(found)} folders inside; needed are two or more, one for each class"
        )
    for name, files in found.items():
        others = [file for file in files if not file.lower().endswith(endings)]
        if others:
            raise DataError(
                f"{others[0]} is none of {', '.join(endings)} (nor are {len(others) - 1} more in this "
                "folder): move it away, or convert it"
            )
        if not files:
            raise DataError(
                f"{os.path.join(path, name)} is a class without any file: fill or remove it"
            )
    return found


def _shown(path: str) -> list[str]:
    return [name for name in os.listdir(path) if not name.startswith(".")]


def _status(path: str | os.PathLike[str], what: str) -> os.stat_result:
    try:
        return os.stat(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist; data.path must be {what}, and is taken from {os.getcwd()}, where the "
            "program was started"
        ) from error
    except (OSError, ValueError) as error:  # a circle of links; a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be opened: {reason}") from error
