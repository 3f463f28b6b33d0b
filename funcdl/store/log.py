"""A study's log, `events.jsonl`: one JSON object per line, each with its own check sum.

The log is for people. Nothing is decided by it, and a log that cannot be written stops nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import re
import zlib
from io import FileIO
from pathlib import Path
from typing import Any

from funcdl.store import fault
from funcdl.store.files import read_whole, write_whole

NAME = "events.jsonl"
_LINE = re.compile(rb'(\{.*), "crc": "([0-9a-f]{8})"\}')


def log_event(folder: Path, kind: str, **details: Any) -> None:
    """Appends one line to the folder's log."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = json.dumps({"time": now, "event": kind, **details}, default=str).encode()
    line = text[:-1] + b', "crc": "%08x"}\n' % zlib.crc32(text)
    with contextlib.suppress(OSError):
        fault.passed("log.begin")
        with open(folder / NAME, "ab+", buffering=0) as file:
            _append(file, line)


def _append(file: FileIO, line: bytes) -> None:
    """Adds a line, or nothing: what a full disk cuts short is taken back."""
    size = file.seek(0, os.SEEK_END)
    if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
        line = b"\n" + line  # a line that a crash cut short must not spoil this one, too
    middle = len(line) // 2
    try:
        done = file.write(line[:middle])
        fault.passed("log.half")
        done += file.write(line[middle:])
        if done < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        file.truncate(size)
        raise
    fault.passed("log.done")


def read_log(folder: Path) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The log's events, and its damaged lines: number (from 1) -> what is left of it.

    A line that was cut short by a crash counts as damaged.

    Raises:
        StoreError: if the log cannot be read.
    """
    events, damaged = [], {}
    for number, line in enumerate(_lines(folder), start=1):
        if line.endswith(b"\n") and _whole(line[:-1]):
            events.append(json.loads(line))
        else:
            damaged[number] = line.rstrip(b"\n").decode("utf-8", "backslashreplace")
    return events, damaged


def mend_log(folder: Path) -> None:
    """Takes damaged lines out of the log, and notes them in it; for the folder's owner.

    Raises:
        StoreError: if the log cannot be rewritten.
    """
    _, damaged = read_log(folder)
    if not damaged:
        return
    kept = [x for n, x in enumerate(_lines(folder), start=1) if n not in damaged]
    write_whole(folder / NAME, b"".join(kept))
    for number, text in damaged.items():
        log_event(folder, "damaged line taken out of the log", line=number, text=text[:500])


def _lines(folder: Path) -> list[bytes]:
    try:
        return read_whole(folder / NAME).splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _whole(line: bytes) -> bool:
    match = _LINE.fullmatch(line)
    return bool(match) and zlib.crc32(match[1] + b"}") == int(match[2], 16)
