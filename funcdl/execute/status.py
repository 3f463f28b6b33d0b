"""How far a study is: counts, throughput, and the time it may still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

WINDOW_SECONDS = 10.0  # throughput is that of the last seconds


class Status(NamedTuple):
    """How far a study is, for a progress display.

    runs: finished of `runs_total`; `reused` of them were there before.
    programs: compiled of `programs_total`, in this process's time.
    workers: what each worker does, in words.
    seconds_left: an estimate; None while there is nothing to base it on.
    steps_per_second: of all workers together, over the last seconds; None while nothing trains.
    further: runs beyond `runs_total` that the study may come to need, if its answer stays undecided.
    """

    runs: int
    runs_total: int
    reused: int
    diverged: int
    failed: int
    programs: int
    programs_total: int
    workers: tuple[str, ...]
    seconds_left: float | None
    steps_per_second: float | None = None
    further: int = 0


Observer = Callable[[Status], None]


class Tally:
    """Counts what happens; `status` is a snapshot."""

    def __init__(self, runs: int, programs: int, further: int = 0):
        """`runs`: planned at most; `programs`: to be compiled; `further`: runs that may be added."""
        self._total, self._programs, self._further = runs, programs, further
        self._done = self._reused = self._diverged = self._failed = 0
        self._compile_seconds: dict[str, float] = {}
        self._steps: deque[tuple[float, int]] = deque()

    @property
    def most_left(self) -> int:
        """Runs that are not finished, and those that may be added."""
        return self._total - self._done + self._further

    def compiled(self, program: str, seconds: float) -> None:
        """Notes a program that a worker compiled, or loaded."""
        self._compile_seconds.setdefault(program, seconds)

    def worked(self, steps: int) -> None:
        """Notes steps that a worker has done."""
        self._steps.append((time.monotonic(), steps))

    def finished(self, status: str, places: int) -> None:
        """Notes a run that ended and stands at so many places of the study."""
        self._done += places
        self._diverged += status == "diverged"
        self._failed += status == "failed"

    def more(self, runs: int) -> None:
        """Notes runs that are added."""
        self._total += runs
        self._further -= runs

    def settled(self, runs: int) -> None:
        """Notes runs that might have been added, and are not."""
        self._further -= runs

    def complete(self, unneeded: int, reused: int) -> None:
        """Notes a method that is complete: it needed fewer runs, and had some of them before."""
        self._total -= unneeded
        self._reused += reused
        self._done += reused

    def status(self, workers: Sequence[str], seconds_waiting: float | None) -> Status:
        """The state of affairs; `seconds_waiting` is what the waiting runs take on one worker."""
        left = seconds_waiting
        if left is not None:
            spent = self._compile_seconds.values()
            to_compile = self._programs - len(spent)
            left += to_compile * (sum(spent) / len(spent)) if spent else 0.0
            left /= max(1, len(workers))
        return Status(
            runs=self._done,
            runs_total=self._total,
            reused=self._reused,
            diverged=self._diverged,
            failed=self._failed,
            programs=len(self._compile_seconds),
            programs_total=self._programs,
            workers=tuple(workers),
            seconds_left=left,
            steps_per_second=self._throughput(),
            further=self._further,
        )

    def _throughput(self) -> float | None:
        now = time.monotonic()
        while self._steps and now - self._steps[0][0] > WINDOW_SECONDS:
            self._steps.popleft()
        if len(self._steps) < 2 or now - self._steps[0][0] < 1.0:
            return None
        # The first entry's steps were done before it.
        return sum(n for _, n in list(self._steps)[1:]) / (now - self._steps[0][0])
