"""Carries out a study: hands runs to workers, takes what they bring, and survives their deaths."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from funcdl.errors import FuncdlError
from funcdl.execute import environment
from funcdl.execute.crew import Crew, Member
from funcdl.execute.interrupt import Interrupted, Interruption
from funcdl.execute.jobs import job_of, label_of, row_of
from funcdl.execute.messages import Beat, CannotBeSent, Compiled, Hello, Job, Note, Result, failed
from funcdl.execute.queue import NO_PROGRAM, Queue
from funcdl.plan.contest import Contest, Outcome, Run, due, most
from funcdl.plan.study import Plan
from funcdl.store import checkpoint
from funcdl.store.folder import log_event, write_json
from funcdl.store.ledger import Label, Ledger

ATTEMPTS = 3  # how often a run may take its worker down before it counts as failed
SILENCE = 300.0  # seconds a worker may be silent while it trains; it speaks about every second
STARTING = 300.0  # seconds it may take to start
COMPILING = 1800.0  # seconds it may be silent while it compiles
GOODBYE = 30.0  # seconds workers get to save when the study is interrupted


class Status(NamedTuple):
    """How far a study is, for a progress display.

    runs: finished of `runs_total`; `reused` of them were there before.
    programs: compiled of `programs_total`, in this process's time.
    workers: what each worker does, in words.
    seconds_left: an estimate; None while there is nothing to base it on.
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


Observer = Callable[[Status], None]


class Supervisor:
    """One study being carried out; `run` does everything."""

    def __init__(self, plan: Plan, folder: Path, ledger: Ledger, observe: Observer):
        """`folder` must be owned by this process, `ledger` must be its ledger."""
        self.plan, self.folder, self.ledger, self.observe = plan, folder, ledger, observe
        self.outcomes = {run: self._outcome(k.status, k.final) for run, k in ledger.known.items()}
        self.queue = Queue()
        self._open: dict[
            str, list[int]
        ] = {}  # run id -> positions of the contests that wait for it
        self._waits = [0] * len(plan.contests)  # how many runs each contest waits for
        self._runs: dict[str, tuple[int, Run]] = {}
        self._attempts: dict[str, int] = {}
        self._environments: dict[str, Any] = {}
        self._environment_of: dict[int, str] = {}
        self._compile_seconds: dict[str, float] = {}
        self._false_starts = 0
        self._reused = self._done = self._diverged = self._failed = 0
        self._total = sum(map(most, plan.contests))

    def prepare(self) -> int:
        """Queues what is missing of the study, and returns how many runs can start at once."""
        for position in range(len(self.plan.contests)):
            self._advance(position)
        return len(self.queue)

    def run(self, workers: int, every: float, interruption: Interruption) -> Status:
        """Does what is missing, after `prepare`.

        Args:
            workers: how many processes.
            every: seconds between two checkpoints of a run.
            interruption: looked at several times a second.

        Returns:
            The final status.

        Raises:
            Interrupted: after a signal, with everything finished so far and the state of the
                unfinished runs saved.
            StoreError: if the folder cannot be written any more.
            FuncdlError: if no worker can be started.
        """
        most_at_once = min(workers, self._total - self._done)
        crew = Crew(most_at_once, self.folder / "checkpoints", every)
        try:
            while self._open:
                self._hand_out(crew)
                for member, message in crew.poll(0.2):
                    self._take(crew, member, message)
                self._watch(crew)
                self._commit(at_once=False)
                self.observe(self.status(crew))
                if interruption.signum is not None:
                    log_event(self.folder, "interrupted", signal=interruption.signum)
                    for member, message in crew.stop(GOODBYE):
                        self._take(crew, member, message)
                    raise Interrupted(interruption.signum)
            return self.status(crew)
        finally:
            crew.close()
            self._commit(at_once=True)

    def labels(self) -> list[Label]:
        """All runs the study is known to need, finished or not, in the study's order."""
        return [
            label_of(contest, run)
            for contest in self.plan.contests
            for run in due(contest, self.outcomes)
        ]

    def status(self, crew: Crew | None) -> Status:
        """How far the study is now."""
        members = crew.members if crew else []
        left = self.queue.seconds_left()
        if left is not None:
            spent = self._compile_seconds.values()
            to_compile = len(self.plan.programs) - len(spent)
            left += to_compile * (sum(spent) / len(spent)) if spent else 0.0
            left /= max(1, len(members))
        return Status(
            runs=self._done,
            runs_total=self._total,
            reused=self._reused,
            diverged=self._diverged,
            failed=self._failed,
            programs=len(self._compile_seconds),
            programs_total=len(self.plan.programs),
            workers=tuple(self._doing(member) for member in members),
            seconds_left=left,
        )

    def _commit(self, *, at_once: bool) -> None:
        """Makes finished runs durable, and only then drops their checkpoints."""
        for run in self.ledger.commit(at_once=at_once):
            checkpoint.drop(self.folder / "checkpoints", run)

    def _outcome(self, status: str, final: Any) -> Outcome:
        metric = self.plan.select[0]
        return Outcome(status, final.get(metric), final.get("validation/loss"))

    def _advance(self, position: int) -> None:
        """Queues what a contest needs next; called when it waits for nothing."""
        contest = self.plan.contests[position]
        while self._waits[position] == 0:
            runs = due(contest, self.outcomes)
            missing = [run for run in runs if run.id not in self.outcomes]
            if not missing:
                self._count(contest, runs)
                return
            for run in missing:
                self._waits[position] += 1
                if run.id not in self._open:
                    self._runs[run.id] = (position, run)
                    self.queue.put(job_of(self.plan, position, run))
                self._open.setdefault(run.id, []).append(position)

    def _count(self, contest: Contest, runs: list[Run]) -> None:
        """A contest is complete: a method that failed everywhere needs fewer runs than planned."""
        self._total -= most(contest) - len(runs)
        here = [run for run in runs if run.id not in self._runs]
        self._reused += len(here)
        self._done += len(here)

    def _hand_out(self, crew: Crew) -> None:
        for member in crew.members:
            if member.ready and member.job is None:
                job = self.queue.take(member.number)
                if job is not None:
                    self._give(member, job)

    def _give(self, member: Member, job: Job) -> None:
        try:
            member.give(job, self.plan.datasets[job.data])
        except CannotBeSent as error:  # a closure over a lock, an open file, a generator
            member.job = None
            self._finish(job, failed(job.id, str(error)), "")

    def _take(self, crew: Crew, member: Member, message: Any) -> None:
        match message:
            case Hello():
                member.ready = True
                self._remember(member, dict(message.environment))
            case Compiled():
                member.programs.add(message.program)
                self.queue.compiled(message.program)
                self._compile_seconds.setdefault(message.program, message.seconds)
            case Note():
                log_event(self.folder, message.event, **message.details)
            case Result():
                if member.job is None or message.id not in ("", member.job.id):
                    return  # the echo of a message that could not be read
                job, member.job = member.job, None
                self._finish(job, message, self._environment_of[member.number])
            case Beat():
                pass
            case None:
                self._bury(crew, member, crew.dismiss(member))

    def _remember(self, member: Member, facts: dict[str, str]) -> None:
        name = environment.digest(facts)
        self._environment_of[member.number] = name
        if name not in self._environments:
            path = self.folder / "environments.json"
            self._environments = {**read_environments(self.folder), name: facts}
            write_json(path, self._environments)

    def _finish(self, job: Job, result: Result, environment: str) -> None:
        position, run = self._runs[job.id]
        self.queue.took(job.program, result.seconds)
        self.outcomes[job.id] = self._outcome(result.status, result.final)
        self._done += len(self._open[job.id])
        self._diverged += result.status == "diverged"
        self._failed += result.status == "failed"
        if result.status == "failed":
            log_event(self.folder, "run failed", run=job.id, reason=result.reason)
        self.ledger.add(row_of(self.plan, position, run, job, result, environment))
        for position in self._open.pop(job.id):
            self._waits[position] -= 1
            if self._waits[position] == 0:
                self._advance(position)

    def _bury(self, crew: Crew, member: Member, how: str) -> None:
        """A worker is gone: its run is tried again elsewhere, three times at most."""
        self.queue.lost(member.number)
        log_event(self.folder, "worker lost", how=how, run=member.job and member.job.id)
        if not member.ready:
            self._false_starts += 1
            if self._false_starts >= ATTEMPTS:
                raise FuncdlError(
                    f"no worker can be started ({how}); try `python -c 'import jax; jax.devices()'`"
                )
        if member.job is not None:
            job = member.job
            self._attempts[job.id] = self._attempts.get(job.id, 0) + 1
            if self._attempts[job.id] < ATTEMPTS:
                self.queue.put(job, first=True)
            else:
                reason = f"its worker was lost {ATTEMPTS} times, at last by {how}"
                self._finish(job, failed(job.id, reason), self._environment_of[member.number])
        if self._open:
            crew.hire()

    def _watch(self, crew: Crew) -> None:
        """Ends a worker that has been silent for too long; its end is then heard by `poll`."""
        for member in crew.members:
            limit = _patience(member)
            if time.monotonic() - member.heard > limit:
                log_event(
                    self.folder, "worker hung", run=member.job and member.job.id, seconds=limit
                )
                member.kill()

    def _doing(self, member: Member) -> str:
        if not member.ready:
            return "starting"
        if member.job is None:
            return "waiting"
        program = member.job.program
        position, run = self._runs[member.job.id]
        doing = "compiling" if program not in (*member.programs, NO_PROGRAM) else run.phase
        return f"{doing} {self.plan.contests[position].method}"


def _patience(member: Member) -> float:
    """Seconds a worker may be silent, by what it is doing."""
    if not member.ready:
        return STARTING
    if member.job is None or member.job.program == NO_PROGRAM:
        return math.inf  # it has nothing to say; a library that fits a baseline cannot speak
    return SILENCE if member.job.program in member.programs else COMPILING


def read_environments(folder: Path) -> dict[str, Any]:
    """The machines and versions that made a study's runs, by digest."""
    import json

    try:
        return json.loads((folder / "environments.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
