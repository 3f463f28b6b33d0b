"""Progress of a study: a live line in a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from funcdl.execute.status import Status

PLAIN_EVERY = 5.0  # seconds between two plain lines


class Progress:
    """Shows a study's `Status` on standard error; use it as a context manager and call it."""

    def __init__(self, stream: TextIO | None = None):
        """`stream`: where to write; standard error if left out."""
        self._stream = stream or sys.stderr
        self._live = None
        self._last = ""
        self._next = 0.0
        self._began = time.monotonic()

    def __enter__(self) -> Progress:
        """Starts the live display where there is a terminal."""
        if _is_terminal(self._stream):
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream)
            self._live = Live(console=console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the live display down."""
        if self._live is not None:
            self._live.stop()

    def __call__(self, status: Status) -> None:
        """Shows a status; plain lines are at least some seconds apart, and never repeat."""
        if self._live is not None:
            self._live.update(_panel(status, time.monotonic() - self._began))
            return
        line = summary(status)
        over = status.runs == status.runs_total
        if line != self._last and (over or time.monotonic() >= self._next):
            self._last, self._next = line, time.monotonic() + PLAIN_EVERY
            print(line, file=self._stream, flush=True)


def summary(status: Status) -> str:
    """A status in one line.

    >>> summary(Status(5, 117, 0, 1, 0, 2, 9, (), 42.0, 25_300.0))
    '5 of 117 runs, 2 of 9 programs compiled, 1 diverged, 25,300 steps/s, about 42 s left'
    >>> summary(Status(5, 10, 0, 0, 0, 2, 2, (), None, further=70))
    '5 of 10 to 80 runs, 2 of 2 programs compiled'
    """
    most = f" to {status.runs_total + status.further}" if status.further else ""
    parts = [f"{status.runs} of {status.runs_total}{most} runs"]
    if status.reused:
        parts.append(f"{status.reused} of them done before")
    if status.programs_total:
        parts.append(f"{status.programs} of {status.programs_total} programs compiled")
    parts += [
        f"{count} {what}"
        for count, what in ((status.diverged, "diverged"), (status.failed, "failed"))
        if count
    ]
    if status.steps_per_second and status.runs < status.runs_total:
        parts.append(f"{status.steps_per_second:,.0f} steps/s")
    if status.seconds_left is not None and status.runs < status.runs_total:
        parts.append(f"about {_duration(status.seconds_left)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> _duration(42), _duration(600), _duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _is_terminal(stream: TextIO) -> bool:
    """A notebook's stream may call itself a terminal; a live display garbles it."""
    return stream.isatty() and "ipykernel" not in sys.modules


def _panel(status: Status, elapsed: float):
    from rich.console import Group
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    # A bar alone does not end its line: what follows would be cut off at the terminal's edge.
    bar = Padding(ProgressBar(total=max(1, status.runs_total), completed=status.runs, width=40), 0)
    lines = [Text(f"{summary(status)}, {_duration(elapsed)} so far")]
    lines += [
        Text(f"  worker {number}: {doing}", style="dim", overflow="ellipsis", no_wrap=True)
        for number, doing in enumerate(status.workers, start=1)
    ]
    return Group(bar, *lines)
