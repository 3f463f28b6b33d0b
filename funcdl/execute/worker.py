"""A worker process: takes jobs from the supervisor's pipe, compiles, runs, and answers.

It ends when the pipe closes, whatever it is doing: a supervisor that died leaves nobody behind.
"""

from __future__ import annotations

import functools
import gc
import os
import pickle
import queue
import re
import signal
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from funcdl.execute.device import NO_DEVICE
from funcdl.execute.interrupt import SIGNALS
from funcdl.execute.messages import (
    DATA,
    STOP,
    WORK,
    Data,
    Exhausted,
    Hello,
    Job,
    Note,
    Result,
    Work,
    failed,
    send,
)
from funcdl.execute.shelf import Shelf, Tell
from funcdl.garbage import search_rarely
from funcdl.signatures import parsing

LESS_MEMORY = (
    "one run alone is too large for the device's memory: try train.accumulate, train.remat, "
    "train.compute_dtype: bfloat16, or a mesh over several devices"
)
# Files of Python, of installed packages and of funcdl itself, and frames without a file.
_PLACES = (sysconfig.get_path("stdlib"), str(Path(__file__).parents[1]))
_INSTALLED = re.compile(
    "|".join(
        [r"[\\/](site|dist)-packages[\\/]", *(f"^{re.escape(p)}[\\\\/]" for p in _PLACES), "^<"]
    )
)


class Worker:
    """Programs and data of one process; `run` does a job."""

    def __init__(self, checkpoints: Path | None, every: float):
        """`every`: seconds between two checkpoints of a run; short runs write none."""
        import jax

        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        self.checkpoints, self.every = checkpoints, every
        self.shelf = Shelf()
        self.stopping = False
        self.training = False  # only then is there a state worth saving
        self.trouble = ""  # with data that could not be read

    def take(self, message: Data) -> None:
        """Keeps a data set, and gives up others."""
        self.shelf.forget(message.over)
        self.shelf.datasets[message.dataset.digest] = message.dataset

    def run(self, work: Work, tell: Tell) -> list[Result]:
        """Does some runs together and returns how they ended; those that were left off are missing.

        What the user's own functions raise ends these runs and no others: they are "failed".
        """
        first = work.jobs[0]
        if first.data not in self.shelf.datasets:
            return [failed(job.id, self.trouble) for job in work.jobs]
        try:
            if first.baseline is not None:
                return [self._baseline(job) for job in work.jobs]
            try:
                return self._train(work.jobs, tell)
            except Exception as error:
                if not is_exhausted(error):
                    raise
            # Other programs and data may have filled the device: what fits must not depend on them.
            self.shelf.clear()
            gc.collect()
            return self._train(work.jobs, tell)
        except Exception as error:
            if not is_exhausted(error):
                return [failed(job.id, _reason(error)) for job in work.jobs]
            reason = str(error).splitlines()[0]
            self.shelf.clear()
            if first.mode.name == "vmap" and first.mode.width > 1:
                tell(Exhausted(first.program, reason))
                return []
            return [failed(job.id, f"{reason}; {LESS_MEMORY}") for job in work.jobs]

    def _baseline(self, job: Job) -> Result:
        from funcdl.execute.baseline import run_baseline

        return run_baseline(job, self.shelf.datasets[job.data])

    def _train(self, jobs: tuple[Job, ...], tell: Tell) -> list[Result]:
        from funcdl.execute.lanes import run_lanes
        from funcdl.execute.programs import template_of
        from funcdl.execute.runner import Stopped, run_job
        from funcdl.execute.watch import watch as watched

        dataset, program = self.shelf.datasets[jobs[0].data], self.shelf.program(jobs[0], tell)
        on_device = self.shelf.on_device(jobs[0])
        # Its values do not matter, and a program with lanes draws all of them for it.
        template = functools.cache(lambda: template_of(program, jobs[0], on_device))
        saved = {job.id: found for job in jobs if (found := self._saved(job, template, tell))}
        watch = watched(self.checkpoints, self.every, lambda: self.stopping, tell)
        self.training = True
        try:
            if program.lanes:
                found = run_lanes(jobs, program, dataset, on_device, saved=saved, watch=watch)
            else:
                found = [
                    run_job(job, program, dataset, on_device, saved=saved.get(job.id), watch=watch)
                    for job in jobs
                ]
            return [result._replace(**program.cost._asdict()) for result in found]
        except Stopped:
            return []
        finally:
            watch.over()

    def _saved(self, job: Job, template: Callable[[], Any], tell: Tell) -> Any:
        """Where an earlier process left the run off, or else where the run to the rung before ended."""
        from funcdl.execute import resume

        def report(event: str, **details: Any) -> None:
            tell(Note(event, details))

        for run in filter(None, (job.id, job.continues)):
            if not self.checkpoints or not next(self.checkpoints.glob(f"{run}-*.npz"), None):
                continue
            saved = resume.restore(self.checkpoints, run, template(), report)
            if saved and run == job.id:
                tell(Note("run resumed", {"run": job.id, "step": int(saved.state.step)}))
            if saved:
                return saved
        return None


def is_exhausted(error: Exception) -> bool:
    """Whether the device had too little memory; every other error means something else."""
    import jax

    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


def _reason(error: Exception) -> str:
    """What was raised and where: the last line of a person's own code, if there was one on the way.

    Notes are left out; JAX's speaks of its traceback, which nobody sees here.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _INSTALLED.search(frame.filename)]
    place = (own or frames)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"


def _prepare(worker: Worker, kind: bytes, content: bytes, tell: Tell) -> None:
    """Takes data, or compiles ahead; what goes wrong shows when it is needed."""
    try:
        message = pickle.loads(content)
        if kind == DATA:
            worker.take(message)
        else:
            worker.shelf.ahead(message.job, tell)
    except Exception as error:
        worker.trouble = f"cannot be read by a worker: {_reason(error)}"
        tell(Note("not made ready", {"reason": worker.trouble}))


def main() -> None:
    """`python -m funcdl.execute.worker DESCRIPTOR CHECKPOINTS SECONDS`: for the supervisor's use."""
    search_rarely()
    parsing.guard()  # a thread may parse before the first program is assembled
    for signum in SIGNALS:  # they go to the whole process group, but are the supervisor's to handle
        signal.signal(signum, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    checkpoints = Path(sys.argv[2]) if sys.argv[2] else None
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    begun: list[Worker] = []  # the worker, once it is there
    ready = threading.Event()

    def listen() -> None:
        while True:
            try:
                content = connection.recv_bytes()
            except (EOFError, OSError):
                os._exit(0)
            if content == STOP:
                if not begun or not begun[0].training:
                    os._exit(0)
                begun[0].stopping = True
                inbox.put(STOP)
            elif content[:1] == WORK:
                inbox.put(content[1:])
            else:
                # Beside the runs, so that programs are compiled while others train.
                ready.wait()
                _prepare(begun[0], content[:1], content[1:], tell)

    speaking = threading.Lock()  # programs are also compiled in other threads

    def tell(message: Any) -> None:
        with speaking:
            send(connection, message)

    threading.Thread(target=listen, daemon=True).start()
    from funcdl.execute.environment import environment

    try:
        worker = Worker(checkpoints, float(sys.argv[3]))
        import jax

        hello = Hello(environment(), len(jax.local_devices()))
    except (RuntimeError, AssertionError, ImportError) as error:  # how JAX says "no such device"
        print(f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": "), flush=True)
        os._exit(NO_DEVICE)
    begun.append(worker)
    ready.set()
    tell(hello)  # whoever hears it may send data and work
    while not worker.stopping:
        content = inbox.get()
        if content == STOP:
            break
        try:
            work = pickle.loads(content)
        except Exception as error:  # a function of a module that only the supervisor can import
            tell(failed("", f"cannot be read by a worker: {_reason(error)}"))
            continue
        for result in worker.run(work, tell):
            tell(result)
        worker.training = False  # only now: a stop must not lose results
    connection.close()
    os._exit(0)  # nothing is left to say, and XLA's threads need not be waited for


if __name__ == "__main__":
    main()
