"""Worker processes, as the supervisor sees them."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from funcdl.execute.lent import Lent
from funcdl.execute.messages import AHEAD, DATA, STOP, WORK, Ahead, Job, Work, send
from funcdl.execute.worker_environment import worker_environment
from funcdl.types import Dataset

_numbers = itertools.count(1)
WAITING: list[Member] = []  # started before it was known what they will do; see `early`


class Member:
    """One worker process and what it is doing."""

    def __init__(self, checkpoints: Path, every: float, threads: int = 1):
        """Starts the process, with so many threads; it says `Hello` when it is ready."""
        self.terms = checkpoints.resolve(), every, threads
        ours, theirs = socket.socketpair()
        self.number = next(_numbers)
        self.jobs: dict[str, Job] = {}  # what it is doing, by run id
        self.devices = 1
        self.ready = False
        self.heard = time.monotonic()
        self.programs: set[str] = set()  # that it has said to be ready
        self.ahead: set[str] = set()  # that it was told of before it needs them
        self.looks_ahead = False
        self._lent = Lent()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        with theirs:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "funcdl.execute.worker"),
                    *(str(theirs.fileno()), str(self.terms[0]), str(every)),
                ],
                env=worker_environment(threads),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
            )
        self.connection = Connection(ours.detach())

    def give(self, jobs: tuple[Job, ...], dataset: Dataset) -> None:
        """Sends runs to do together, and their data before the first that need them."""
        self.jobs = {job.id: job for job in jobs}
        self.heard = time.monotonic()
        # What is compiled ahead needs its data, too.
        self._send(Work(jobs), WORK, dataset, free=self.ahead <= self.programs)

    def look_ahead(self, job: Job, dataset: Dataset) -> None:
        """Lets the worker compile the job's program while it does other things."""
        self.ahead.add(job.program)
        self._send(Ahead(job), AHEAD, dataset, free=False)

    def _send(self, message: Work | Ahead, kind: bytes, dataset: Dataset, *, free: bool) -> None:
        """`free`: whether the worker uses no other data set just now."""
        with contextlib.suppress(OSError):  # a worker that has just died is found by its silence
            data = self._lent.need(dataset, free=free)
            if data is not None:
                send(self.connection, data, DATA)
            send(self.connection, message, kind)

    @property
    def program(self) -> str | None:
        """The program of what it is doing; None while it does nothing."""
        return next((job.program for job in self.jobs.values()), None)

    def stop(self) -> None:
        """Asks the worker to save and end, if it still lives."""
        with contextlib.suppress(OSError):
            self.connection.send_bytes(STOP)

    def hear(self) -> Any:
        """The next message; raises `EOFError` if the worker is gone."""
        try:
            message = pickle.loads(self.connection.recv_bytes())
        except OSError as error:
            raise EOFError from error
        self.heard = time.monotonic()
        return message

    def end(self) -> str:
        """Makes sure that the process is gone, and says how it went and what it said last."""
        with contextlib.suppress(OSError):
            self.connection.close()
        try:
            code = self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        with self._errors:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"{name}: {said[-1]}" if said else name

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()


class Crew:
    """The workers of a study; one that dies is replaced by the next `hire`."""

    def __init__(self, size: int, checkpoints: Path, every: float, threads: int = 1):
        """Starts `size` processes at once; see `Member` for the arguments."""
        terms = checkpoints.resolve(), every, threads
        self._make = lambda: _waiting(terms) or Member(*terms)
        self.members = [self._make() for _ in range(size)]
        end_waiting()

    def hire(self) -> None:
        """Starts one more process."""
        self.members.append(self._make())

    def dismiss(self, member: Member) -> str:
        """Takes a member off the crew, and says how its process ended."""
        self.members.remove(member)
        return member.end()

    def poll(self, seconds: float) -> list[tuple[Member, Any]]:
        """What members said within some seconds; None from one that is gone."""
        by_connection = {member.connection: member for member in self.members}
        heard: list[tuple[Member, Any]] = []
        for connection in wait(list(by_connection), seconds):
            member = by_connection[connection]  # type: ignore[index]
            try:
                heard.append((member, member.hear()))
            except EOFError:
                heard.append((member, None))
        return heard

    def stop(self, seconds: float) -> list[tuple[Member, Any]]:
        """Asks all to save and end; after some seconds they are ended.

        Returns:
            What members said on their way out: a run may end just now.
        """
        for member in self.members:
            member.stop()
        until = time.monotonic() + seconds
        heard: list[tuple[Member, Any]] = []
        while self.members and time.monotonic() < until:
            for member, message in self.poll(0.05):
                if message is None:
                    self.dismiss(member)
                else:
                    heard.append((member, message))
        self.close()
        return heard

    def close(self) -> None:
        """Ends all processes at once; nobody is left behind."""
        for member in self.members:
            member.kill()
        for member in self.members:
            member.end()
        self.members.clear()


def end_waiting() -> None:
    """Ends those that were started early and are not needed."""
    while WAITING:
        member = WAITING.pop()
        member.kill()
        member.end()


def _waiting(terms: tuple[Path, float, int]) -> Member | None:
    """One that was started early, on these terms."""
    for member in WAITING:
        if member.terms == terms:
            WAITING.remove(member)
            return member
    return None
