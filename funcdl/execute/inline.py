"""Runs done in this process, without workers: under a debugger, or where it holds the accelerator.

What crashes or hangs then takes the study's process with it; a kernel's interrupt, Ctrl-C and
SIGTERM save and stop as ever, since a run is cut about once a second.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from funcdl.execute.lent import Lent
from funcdl.execute.machine import may_have_accelerator, worker_count
from funcdl.execute.messages import Hello, Job, Work
from funcdl.execute.settings import accelerator_held, as_in_a_worker
from funcdl.execute.worker import Worker
from funcdl.execute.worker_environment import worker_environment
from funcdl.types import Dataset


class Here:
    """This process in the place of a `Member`: the fields and methods that a supervisor uses."""

    number = 0

    def __init__(self, worker: Worker):
        self.worker = worker
        self.jobs: dict[str, Job] = {}
        self.work: Work | None = None  # given, and not yet begun
        self.devices = 1
        self.ready = False
        self.heard = time.monotonic()
        self.programs: set[str] = set()
        self.ahead: set[str] = set()
        self.looks_ahead = False
        self._lent = Lent()

    def give(self, jobs: tuple[Job, ...], dataset: Dataset) -> None:
        """Takes runs to do together; the next `Inline.poll` does them."""
        self.jobs = {job.id: job for job in jobs}
        data = self._lent.need(dataset, free=True)
        if data is not None:
            self.worker.take(data)
        self.work = Work(jobs)

    def look_ahead(self, job: Job, dataset: Dataset) -> None:
        """Does nothing: this process waits for its runs."""

    @property
    def program(self) -> str | None:
        """The program of what it is doing; None while it does nothing."""
        return next((job.program for job in self.jobs.values()), None)

    def kill(self) -> None:
        """Does nothing: whoever could ask for it is this process itself."""


class Inline:
    """A crew of one that is this process; to a supervisor it is like a `Crew`.

    members: the one.
    """

    def __init__(
        self,
        checkpoints: Path,
        every: float,
        threads: int,
        meanwhile: Callable[[Inline, list[tuple[Here, Any]]], None],
        stopped: Callable[[], bool],
    ):
        """Sets JAX up as in a worker, until `close`.

        Args:
            checkpoints: the study's checkpoints.
            every: seconds between two checkpoints of a run.
            threads: how many threads a worker would have.
            meanwhile: called several times a second during a run, with this crew and with what would
                have been heard of a worker.
            stopped: whether the study is to be stopped; a run is then saved and left off.

        Raises:
            FuncdlError: if JAX has already started with another number of threads.
        """
        self._meanwhile, self._stopped = meanwhile, stopped
        self._threads = worker_environment(threads)["PJRT_NPROC"]
        self._settings = contextlib.ExitStack()
        self._settings.enter_context(as_in_a_worker(threads))
        self._trouble: Exception | None = None
        self.members = [Here(Worker(checkpoints, every))]

    def hire(self) -> None:
        """Does nothing: nobody is ever lost."""

    def dismiss(self, member: Any) -> str:
        """Takes the one off the crew."""
        self.members.remove(member)
        return "dismissed"

    def poll(self, seconds: float) -> list[tuple[Here, Any]]:
        """Does the runs that were given, however long that takes, and returns their results."""
        here = self.members[0]
        if not here.ready:
            return [(here, self._hello())]
        if here.work is None:
            time.sleep(seconds)
            return []
        work, here.work = here.work, None
        heard: list[tuple[Here, Any]] = []

        def tell(message: Any) -> None:
            here.heard = time.monotonic()
            heard.append((here, message))
            here.worker.stopping |= self._stopped()
            try:
                self._meanwhile(self, heard[:])
            except Exception as error:  # the study's trouble, and not that of the run
                self._trouble, here.worker.stopping = error, True
            heard.clear()

        results = here.worker.run(work, tell)
        if self._trouble is not None:
            raise self._trouble
        return [(here, result) for result in results]

    def stop(self, seconds: float) -> list[tuple[Here, Any]]:
        """Ends the crew; what was being done has been saved and left off by `poll`."""
        self.close()
        return []

    def close(self) -> None:
        """Gives JAX its own settings back."""
        self.members.clear()
        self._trouble = None
        gc.collect()  # what a failed run left on the device must not make the next one fail
        self._settings.close()

    def _hello(self) -> Hello:
        import jax

        from funcdl.execute.environment import environment

        facts = environment()
        if facts["backend"] == "cpu":
            facts["threads"] = self._threads  # made sure of when the settings were made
        return Hello(facts, len(jax.local_devices()))


def crew_size(asked: int | None, threads: int) -> int:
    """How many workers a study gets: as many as asked for, else as the machine can feed.

    None at all where this process holds an accelerator already, as a notebook's kernel may: nobody
    else can have a TPU, and on a GPU little memory is left. At most one where there may be one: it
    drives all chips, and takes most of their memory.
    """
    if asked is not None:
        return min(asked, 1) if may_have_accelerator() else asked
    return 0 if accelerator_held() else worker_count(threads)
