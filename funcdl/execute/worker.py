"""A worker process: takes jobs from the supervisor's pipe, compiles, runs, and answers.

It ends when the pipe closes, whatever it is doing: a supervisor that died leaves nobody behind.
"""

from __future__ import annotations

import os
import pickle
import queue
import re
import signal
import sys
import sysconfig
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from funcdl.errors import StoreError
from funcdl.execute.interrupt import SIGNALS
from funcdl.execute.messages import (
    STOP,
    Beat,
    Compiled,
    Data,
    Hello,
    Job,
    Note,
    Result,
    failed,
    send,
)

BEAT_SECONDS = 0.5
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
        self.datasets: dict[str, Any] = {}
        self.programs: dict[str, Any] = {}
        self.stopping = False
        self.training = False  # only then is there a state worth saving

    def take(self, message: Data) -> None:
        """Keeps a data set, its training split on the device."""
        import jax

        self.datasets[message.dataset.digest] = (
            message.dataset,
            jax.device_put(message.dataset.train),
        )

    def run(self, job: Job, tell: Any) -> Result | None:
        """Does a job and returns how it ended; None if it was left off.

        What the user's own functions raise ends this run and no other: the run is "failed".
        """
        try:
            if job.baseline is not None:
                return self._baseline(job)
            return self._train(job, tell)
        except Exception as error:
            return failed(job.id, _reason(error))

    def _baseline(self, job: Job) -> Result:
        from funcdl.execute.baseline import run_baseline

        return run_baseline(job, self.datasets[job.data][0])

    def _train(self, job: Job, tell: Any) -> Result | None:
        from funcdl.execute import resume
        from funcdl.execute.programs import as_scalars, compile_program
        from funcdl.execute.runner import Stopped, run_job
        from funcdl.train.streams import stream_keys

        dataset, on_device = self.datasets[job.data]
        if job.program not in self.programs:
            assert job.static is not None
            program, seconds = compile_program(job.static, dataset, on_device, job.hyper)
            self.programs[job.program] = program
            tell(Compiled(job.program, seconds))
        program = self.programs[job.program]
        saved = None
        if self.checkpoints and next(self.checkpoints.glob(f"{job.id}-*.npz"), None):
            keys = stream_keys(job.seed, job.phase, job.streams)
            template = program.init(keys, as_scalars(job.hyper), on_device)
            saved = resume.restore(
                self.checkpoints, job.id, template, lambda e, **d: tell(Note(e, d))
            )
            if saved:
                tell(Note("run resumed", {"run": job.id, "step": int(saved.state.step)}))
        saved_at = heard_at = time.monotonic()

        def pulse() -> None:
            nonlocal heard_at
            if time.monotonic() - heard_at >= BEAT_SECONDS:
                tell(Beat())
                heard_at = time.monotonic()

        def beat(state: Any, progress: Any) -> None:
            nonlocal saved_at
            pulse()
            now = time.monotonic()
            if self.checkpoints and (now - saved_at >= self.every or self.stopping):
                try:
                    resume.save(self.checkpoints, job.id, state, progress)
                except StoreError as error:  # training goes on; the earlier checkpoint is intact
                    tell(Note("checkpoint not written", {"reason": str(error)}))
                saved_at = now
            if self.stopping:
                raise Stopped

        self.training = True
        try:
            return run_job(job, program, dataset, on_device, saved=saved, beat=beat, pulse=pulse)
        except Stopped:
            return None
        finally:
            self.training = False


def _reason(error: Exception) -> str:
    """What was raised and where: the last line of a person's own code, if there was one on the way.

    Notes are left out; JAX's speaks of its traceback, which nobody sees here.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _INSTALLED.search(frame.filename)]
    place = (own or frames)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"


def main() -> None:
    """`python -m funcdl.execute.worker DESCRIPTOR CHECKPOINTS SECONDS`: for the supervisor's use."""
    for signum in SIGNALS:  # they go to the whole process group, but are the supervisor's to handle
        signal.signal(signum, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    checkpoints = Path(sys.argv[2]) if sys.argv[2] else None
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    worker: Worker | None = None

    def listen() -> None:
        while True:
            try:
                content = connection.recv_bytes()
            except (EOFError, OSError):
                os._exit(0)
            if content == STOP:
                if worker is None or not worker.training:
                    os._exit(0)
                worker.stopping = True
            inbox.put(content)

    threading.Thread(target=listen, daemon=True).start()
    from funcdl.execute.environment import environment

    worker = Worker(checkpoints, float(sys.argv[3]))
    send(connection, Hello(environment()))
    while not worker.stopping:
        content = inbox.get()
        if content == STOP:
            break
        try:
            message = pickle.loads(content)
        except Exception as error:  # a function of a module that only the supervisor can import
            send(connection, failed("", f"cannot be read by a worker: {_reason(error)}"))
            continue
        if isinstance(message, Data):
            worker.take(message)
        else:
            result = worker.run(message, lambda m: send(connection, m))
            if result is not None:
                send(connection, result)
    connection.close()
    os._exit(0)  # nothing is left to say, and XLA's threads need not be waited for


if __name__ == "__main__":
    main()
