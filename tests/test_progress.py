"""What is shown while a study runs, in a terminal and elsewhere."""

import contextlib
import io
import os
import re
import struct
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from funcdl.execute.status import Status
from funcdl.progress import Progress, summary

STATUS = Status(
    runs=5,
    runs_total=117,
    reused=0,
    diverged=1,
    failed=0,
    programs=2,
    programs_total=9,
    workers=("measure mlp/sgd", "compiling cnn/lion"),
    seconds_left=42.0,
    steps_per_second=25_300.0,
)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A terminal of 80 columns: the end that is read, and the one a program writes to."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # another test may have loaded it
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    yield ours, theirs
    os.close(ours)


def everything(end: int) -> bytes:
    """What was written to the other end of a terminal, which is closed; a read gives a part of it."""
    found = b""
    with contextlib.suppress(OSError):  # how Linux says that there is no more
        while part := os.read(end, 100_000):
            found += part
    return found


def test_a_terminal_of_80_columns_shows_all_of_it(terminal: tuple[int, int]):
    """The bar has a line of its own: beside it no room would be left for the time that remains."""
    ours, theirs = terminal
    with os.fdopen(theirs, "w") as stream, Progress(stream) as show:
        show(STATUS)
    shown = everything(ours).decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert summary(STATUS) in " ".join(text.split())
    lines = [line.strip() for line in text.splitlines()]
    assert "worker 1: measure mlp/sgd" in lines
    assert "worker 2: compiling cnn/lion" in lines
    assert all(len(line) <= 80 for line in lines)


def test_in_a_notebook_there_are_plain_lines_whatever_its_stream_says(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    ours, theirs = terminal
    with os.fdopen(theirs, "w") as stream, Progress(stream) as show:
        show(STATUS)
    assert everything(ours).decode().split("\r\n") == [summary(STATUS), ""]


def test_elsewhere_there_are_plain_lines_each_once():
    stream = io.StringIO()
    with Progress(stream) as show:
        show(STATUS)
        show(STATUS)
        show(STATUS._replace(runs=6))  # too soon after the line before
        show(STATUS._replace(runs=117))  # the end is always told
        show(STATUS._replace(runs=117))
    first, last = stream.getvalue().splitlines()
    assert first == summary(STATUS)
    assert last == "117 of 117 runs, 2 of 9 programs compiled, 1 diverged"
    assert "\x1b" not in stream.getvalue()
