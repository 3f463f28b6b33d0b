"""Trackers at work: each in a thread of its own, behind a bounded queue, off at its first failure."""

from __future__ import annotations

import functools
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from funcdl.store.ledger import Label
from funcdl.store.row import Row
from funcdl.tracking.tracker import Tracker, run_of, run_of_row

CAPACITY = 10_000  # calls that may wait for a tracker
PATIENCE = 30.0  # seconds that a tracker may take over one call once the study is over
HURRY = 5.0  # the same where the study was stopped

Call = Callable[[Tracker], None]


class Desk:
    """One tracker and its thread."""

    def __init__(self, tracker: Tracker, say: Callable[[str], None], capacity: int = CAPACITY):
        """Starts the thread; `say` is told, once, why the tracker was given up."""
        self.tracker, self._say = tracker, say
        self._calls: queue.Queue[Call | None] = queue.Queue(capacity)
        self._off = threading.Event()
        self._speaking = threading.Lock()
        self._done = 0
        self._thread = threading.Thread(target=self._work, daemon=True, name=tracker.name)
        self._thread.start()

    def put(self, call: Call) -> None:
        """Has the tracker do something later; never waits."""
        if self._off.is_set():
            return
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._give_up(f"{self._calls.maxsize:,} calls wait for it: it is slower than the study")

    def close(self, patience: float) -> None:
        """Waits for the tracker, as long as it gets on."""
        while not self._off.is_set():
            try:
                self._calls.put(None, timeout=patience)
                break
            except queue.Full:
                self._give_up(f"it has not moved for {patience:g} s")
        while not self._off.is_set():
            before = self._done
            self._thread.join(patience)
            if not self._thread.is_alive():
                return
            if self._done == before:
                self._give_up(f"it has not moved for {patience:g} s")

    @property
    def off(self) -> bool:
        """Whether the tracker was given up."""
        return self._off.is_set()

    def moved(self) -> None:
        """The tracker has got on with something."""
        self._done += 1

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if self._off.is_set():
                return
            try:
                (self.tracker.close() if call is None else call(self.tracker))
            except BaseException as error:
                reason = str(error).strip().splitlines()
                self._give_up(": ".join([type(error).__name__, *reason[:1]]))
                return
            self.moved()
            if call is None:
                return

    def _give_up(self, reason: str) -> None:
        with self._speaking:
            if self._off.is_set():
                return
            self._off.set()
        self._say(f"{self.tracker.name} is off ({reason}); the study goes on without it")


class Tracking:
    """What the supervisor tells of runs, passed on to trackers; use it as a context manager."""

    def __init__(
        self,
        trackers: Sequence[Tracker],
        study: str,
        earlier: Callable[[], Any],
        say: Callable[[str], None] | None = None,
        *,
        capacity: int = CAPACITY,
        patience: float = PATIENCE,
    ):
        """Checks the trackers.

        Args:
            trackers: who is told.
            study: the study's name.
            earlier: gives the rows of the runs that were there before, which a tracker may lack.
            say: is told, once per tracker, why it was given up; standard error if left out.
            capacity: calls that may wait.
            patience: seconds that a tracker may take over one call in the end.

        Raises:
            FuncdlError: if one cannot work, as where its library is missing.
        """
        for tracker in trackers:
            tracker.check()
        self._trackers, self._study, self._earlier = trackers, study, earlier
        self._say = say or _to_standard_error
        self._capacity, self._patience = capacity, patience
        self._desks: list[Desk] = []

    def __enter__(self) -> Tracking:
        """Starts the trackers, with what they may have missed."""
        self._desks = [Desk(one, self._say, self._capacity) for one in self._trackers]
        for desk in self._desks:
            desk.put(functools.partial(self._catch_up, desk))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for the trackers, for less long where the study was stopped."""
        patience = self._patience if kind is None else min(HURRY, self._patience)
        for desk in self._desks:
            desk.close(patience)

    def _catch_up(self, desk: Desk, tracker: Tracker) -> None:
        for row in self._earlier():
            if desk.off:
                return
            tracker.finished(*run_of_row(self._study, row))
            desk.moved()

    def looked(
        self, label: Label, recipe: Mapping[str, Any], step: int, values: Mapping[str, float]
    ) -> None:
        """A run has looked at its validation split."""
        if self._desks:
            run = run_of(self._study, label, recipe)
            for desk in self._desks:
                desk.put(lambda tracker: tracker.looked(run, step, values))

    def finished(self, row: Row) -> None:
        """A run has ended; a failed one is tried again when the study is, and told then."""
        if self._desks:
            # What is kept of each example is large, and no tracker shows it.
            slim = row._replace(examples={}, outputs={}, targets={})
            for desk in self._desks:
                desk.put(lambda tracker: tracker.finished(*run_of_row(self._study, slim)))


def _to_standard_error(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
