"""Which job a free worker takes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable

from funcdl.execute.messages import Job

LOAD_SECONDS = 1.0  # what it costs a second worker to load a program that another has compiled
NO_PROGRAM = ""  # baselines have none; every worker can run them


class Queue:
    """Jobs waiting, by program, and who holds which program.

    A worker stays with the programs it holds. Without such work it takes a program that nobody has;
    a program that another worker compiled only when that has more left than loading it costs, and
    only once it is compiled, so that no program is compiled twice.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Job]] = {}
        self._holders: dict[str, set[Hashable]] = {}
        self._compiled: set[str] = set()
        self._alone: set[str] = set()
        self._seconds: dict[str, tuple[float, int]] = {}

    def put(self, job: Job, *, first: bool = False, alone: bool = False) -> None:
        """Adds a job; one that is tried again goes `first`, and `alone`, without others in its lanes."""
        if alone:
            self._alone.add(job.id)
        line = self._waiting.setdefault(job.program, deque())
        line.appendleft(job) if first else line.append(job)

    def take(self, worker: Hashable, devices: int = 1) -> tuple[Job, ...]:
        """What this worker should do now, on its devices; nothing if it had better wait.

        That is one run, or as many as the program has lanes.
        """
        program = self._choose(worker)
        if program is None:
            return ()
        self._holders.setdefault(program, set()).add(worker)
        line = self._waiting[program]
        first = line[0]
        lanes = 1 if first.id in self._alone else first.mode.lanes(devices) or 1
        taken: list[Job] = []
        passed: list[Job] = []
        while line and len(taken) < lanes:
            job = line.popleft()
            fits = job.data == first.data and (job is first or job.id not in self._alone)
            (taken if fits else passed).append(job)
        line.extendleft(reversed(passed))
        if not line:
            del self._waiting[program]
        return tuple(taken)

    def first_beyond(self, known: Collection[str]) -> Job | None:
        """A job of the first program that waits and is not among these."""
        return next((line[0] for p, line in self._waiting.items() if p not in known), None)

    def compiled(self, program: str) -> None:
        """Notes that a program is in the compilation cache."""
        self._compiled.add(program)

    def took(self, program: str, seconds: float) -> None:
        """Notes how long a run took."""
        total, runs = self._seconds.get(program, (0.0, 0))
        self._seconds[program] = (total + seconds, runs + 1)

    def lost(self, worker: Hashable) -> None:
        """Forgets a worker that is gone."""
        for holders in self._holders.values():
            holders.discard(worker)

    def __len__(self) -> int:
        """How many jobs wait."""
        return sum(map(len, self._waiting.values()))

    def seconds_left(self) -> float | None:
        """An estimate of all waiting jobs' time on one worker; None before the first has ended."""
        total, runs = (
            map(sum, zip(*self._seconds.values(), strict=True)) if self._seconds else (0, 0)
        )
        if not runs:
            return None
        mean = total / runs
        return sum(len(line) * self._mean(p, mean) for p, line in self._waiting.items())

    def _mean(self, program: str, otherwise: float) -> float:
        total, runs = self._seconds.get(program, (0.0, 0))
        return total / runs if runs else otherwise

    def _choose(self, worker: Hashable) -> str | None:
        for program in self._waiting:
            if program == NO_PROGRAM or worker in self._holders.get(program, ()):
                return program
        for program in self._waiting:
            if not self._holders.get(program):
                return program
        left = {p: self._left_for_helper(p) for p in self._waiting if p in self._compiled}
        best = max(left, key=left.__getitem__, default=None)
        return best if best is not None and left[best] > LOAD_SECONDS else None

    def _left_for_helper(self, program: str) -> float:
        """Seconds of work that one more worker would take over."""
        waiting, holders = len(self._waiting[program]), len(self._holders[program])
        return waiting * self._mean(program, 0.0) / (holders + 1)
