"""Carries out a study: hands runs to workers, takes what they bring, and survives their deaths."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from funcdl.errors import FuncdlError
from funcdl.execute.agenda import Agenda
from funcdl.execute.crew import Crew, Member
from funcdl.execute.device import NO_DEVICE, no_worker
from funcdl.execute.growth import Growth
from funcdl.execute.inline import Here, Inline
from funcdl.execute.interrupt import Interrupted, Interruption
from funcdl.execute.jobs import job_of, label_of, row_of
from funcdl.execute.kept import Kept
from funcdl.execute.listening import Listener, Nobody
from funcdl.execute.messages import (
    Beat,
    CannotBeSent,
    Compiled,
    Exhausted,
    Hello,
    Job,
    Look,
    Note,
    Result,
    failed,
)
from funcdl.execute.patience import patience
from funcdl.execute.queue import NO_PROGRAM, Queue
from funcdl.execute.status import Observer, Status
from funcdl.plan.contest import Run
from funcdl.plan.study import Plan
from funcdl.store.environments import remember_environment
from funcdl.store.ledger import Label, Ledger
from funcdl.store.log import log_event
from funcdl.train.axes import devices_of, too_few

ATTEMPTS = 3  # how often a run may take its worker down before it counts as failed
AHEAD = 4  # programs that a worker compiles while its device trains
GOODBYE = 30.0  # seconds workers get to save when the study is interrupted


class OutOfMemory(FuncdlError):
    """A program has too many lanes for the device; the study needs a plan with fewer.

    program: which one.
    """

    def __init__(self, program: str, reason: str):
        self.program = program
        super().__init__(f"program {program} has too many lanes for the device: {reason}")


class Supervisor:
    """One study being carried out; `run` does everything."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        ledger: Ledger,
        observe: Observer,
        growth: Growth | None = None,
        listener: Listener | None = None,
    ):
        """Takes over a study.

        Args:
            plan: what to do.
            folder: the study's, owned by this process.
            ledger: of that folder.
            observe: told how far the study is.
            growth: how repeats are added; None for a study that has all that it shall have.
            listener: told of every look and every end of a run.
        """
        self.plan, self.folder, self.ledger, self.observe = plan, folder, ledger, observe
        self._listener = listener or Nobody()
        self.agenda = Agenda(plan, ledger.known, self._need, growth)
        self.tally = self.agenda.tally
        self.queue = Queue()
        self.kept = Kept(folder / "checkpoints")
        self._attempts: dict[str, int] = {}
        self._environment_of: dict[int, str] = {}
        self._false_starts = 0
        self._exhausted: OutOfMemory | None = None
        self._ready: Callable[[], None] = lambda: None

    def prepare(self) -> int:
        """Queues what is missing of the study, and returns how many runs can start at once."""
        self.agenda.begin()
        return len(self.queue)

    def run(
        self,
        workers: int,
        every: float,
        interruption: Interruption,
        ready: Callable[[], None] = lambda: None,
    ) -> Status:
        """Does what is missing, after `prepare`.

        Args:
            workers: how many processes; 0 to do everything in this one.
            every: seconds between two checkpoints of a run.
            interruption: looked at several times a second.
            ready: called whenever a worker is ready.

        Returns:
            The final status.

        Raises:
            Interrupted: after a signal, with everything finished so far and the state of the
                unfinished runs saved.
            StoreError: if the folder cannot be written any more.
            OutOfMemory: if a program needs a narrower plan; what was finished is kept.
            FuncdlError: if no worker can be started.
        """
        self._ready = ready
        crew = self._crew(workers, every, interruption)
        try:
            while not self.agenda.over:
                self._hand_out(crew)
                self._turn(crew, crew.poll(0.2))
                if interruption.signum is not None:
                    log_event(self.folder, "interrupted", signal=interruption.signum)
                    for member, message in crew.stop(GOODBYE):
                        self._take(crew, member, message)
                    raise Interrupted(interruption.signum)
            return self.status(crew)
        finally:
            crew.close()
            self._commit(at_once=True)

    def _crew(self, workers: int, every: float, interruption: Interruption) -> Crew | Inline:
        place, threads = self.folder / "checkpoints", self.plan.threads
        if workers:
            most_at_once = 1 if self.plan.mesh else min(workers, self.tally.most_left)
            return Crew(most_at_once, place, every, threads)
        return Inline(place, every, threads, self._turn, lambda: interruption.signum is not None)

    def _turn(self, crew: Crew | Inline, heard: Sequence[tuple[Member | Here, Any]]) -> None:
        """What is done several times a second."""
        for member, message in heard:
            self._take(crew, member, message)
        if self._exhausted is not None:
            raise self._exhausted
        self._watch(crew)
        self._commit(at_once=False)
        self.observe(self.status(crew))

    def labels(self) -> list[Label]:
        """The runs a reader is told of, finished or not, in the study's order."""
        return self.agenda.labels()

    def status(self, crew: Crew | Inline | None) -> Status:
        """How far the study is now."""
        members = crew.members if crew else []
        return self.tally.status(
            workers=[self._doing(member) for member in members],
            seconds_waiting=self.queue.seconds_left(),
        )

    def _commit(self, *, at_once: bool) -> None:
        """Makes finished runs durable, and only then drops their checkpoints."""
        durable = self.ledger.commit(at_once=at_once)
        if durable or at_once:
            self.kept.drop(durable)

    def _need(self, position: int, missing: list[Run], new: list[Run]) -> None:
        """A contest waits for runs; those that are new are queued."""
        self.kept.need(position, missing)
        for run in new:
            self.queue.put(job_of(self.plan, position, run))

    def _hand_out(self, crew: Crew | Inline) -> None:
        for member in crew.members:
            if member.ready and not member.jobs:
                jobs = self.queue.take(member.number, member.devices)
                if jobs:
                    self._give(member, jobs)
            if member.ready and member.looks_ahead and len(member.ahead - member.programs) < AHEAD:
                job = self.queue.first_beyond({NO_PROGRAM, *member.programs, *member.ahead})
                if job is not None:
                    self._look_ahead(member, job)

    def _look_ahead(self, member: Member | Here, job: Job) -> None:
        with contextlib.suppress(CannotBeSent):  # that shows when the job is given
            member.look_ahead(job, self.plan.datasets[job.data])

    def _give(self, member: Member | Here, jobs: tuple[Job, ...]) -> None:
        try:
            member.give(jobs, self.plan.datasets[jobs[0].data])
        except CannotBeSent as error:  # a closure over a lock, an open file, a generator
            member.jobs = {}
            for job in jobs:
                self._finish(job, failed(job.id, str(error)), "")

    def _take(self, crew: Crew | Inline, member: Member | Here, message: Any) -> None:
        match message:
            case Hello():
                if message.devices < devices_of(self.plan.mesh):
                    backend = message.environment["backend"]
                    raise FuncdlError(too_few(self.plan.mesh, message.devices, backend))
                member.ready, member.devices = True, message.devices
                # On a CPU compiling takes the core that training needs.
                member.looks_ahead = message.environment["backend"] != "cpu"
                self._remember(member, dict(message.environment))
                self._ready()
            case Compiled():
                member.programs.add(message.program)
                self.queue.compiled(message.program)
                self.tally.compiled(message.program, message.seconds)
            case Note():
                log_event(self.folder, message.event, **message.details)
            case Result():
                # Without an id it is the echo of a message that could not be read.
                for name in [message.id] if message.id else list(member.jobs):
                    if name in member.jobs:
                        result = message._replace(id=name)
                        job = member.jobs.pop(name)
                        self._finish(job, result, self._environment_of[member.number])
            case Exhausted():  # raised when everything else that was heard is taken
                # Splits of other sizes have programs of their own, but share the trial's lanes.
                position, run = self.agenda.owner(next(iter(member.jobs)))
                program = self.plan.trials[position][run.trial].program
                self._exhausted = OutOfMemory(program, message.reason)
            case Beat():
                self.tally.worked(message.steps)
                for look in message.looks:
                    self._looked(look)
            case None:
                self._bury(crew, member, crew.dismiss(member))  # type: ignore[arg-type]

    def _remember(self, member: Member | Here, facts: dict[str, str]) -> None:
        self._environment_of[member.number] = remember_environment(self.folder, facts)

    def _finish(self, job: Job, result: Result, environment: str) -> None:
        self.plan.datasets.check_unchanged(job.data)
        position, run = self.agenda.owner(job.id)
        self.queue.took(job.program, result.seconds)
        if result.status == "failed":
            log_event(self.folder, "run failed", run=job.id, reason=result.reason)
        row = row_of(self.plan, position, run, job, result, environment)
        self.ledger.add(row)
        self._listener.finished(row)
        self.agenda.came(job.id, result.status, result.final)

    def _looked(self, look: Look) -> None:
        position, run = self.agenda.owner(look.id)
        label = label_of(self.plan.contests[position], run)
        recipe = json.loads(self.plan.on_split(position, run).text)
        self._listener.looked(label, recipe, look.step, look.values)

    def _bury(self, crew: Crew | Inline, member: Member | Here, how: str) -> None:
        """A worker is gone: its run is tried again elsewhere, three times at most."""
        self.queue.lost(member.number)
        log_event(self.folder, "worker lost", how=how, runs=list(member.jobs))
        if not member.ready:
            self._false_starts += 1
            if self._false_starts >= ATTEMPTS or how.startswith(f"exit status {NO_DEVICE}"):
                raise FuncdlError(no_worker(how))
        for job in member.jobs.values():
            self._attempts[job.id] = self._attempts.get(job.id, 0) + 1
            if self._attempts[job.id] < ATTEMPTS:
                # Alone, should it have been one of its neighbours in the lanes that did it.
                self.queue.put(job, first=True, alone=True)
            else:
                reason = f"its worker was lost {ATTEMPTS} times, at last by {how}"
                self._finish(job, failed(job.id, reason), self._environment_of[member.number])
        if not self.agenda.over:
            crew.hire()

    def _watch(self, crew: Crew | Inline) -> None:
        """Ends a worker that has been silent for too long; its end is then heard by `poll`."""
        for member in crew.members:
            limit = patience(member)
            if time.monotonic() - member.heard > limit:
                log_event(self.folder, "worker hung", runs=list(member.jobs), seconds=limit)
                member.kill()

    def _doing(self, member: Member | Here) -> str:
        if not member.ready:
            return "starting"
        if not member.jobs:
            return "waiting"
        job = next(iter(member.jobs.values()))
        position, run = self.agenda.owner(job.id)
        doing = "compiling" if job.program not in (*member.programs, NO_PROGRAM) else run.phase
        more = f" and {len(member.jobs) - 1} more" if len(member.jobs) > 1 else ""
        return f"{doing} {self.plan.contests[position].method}{more}"
