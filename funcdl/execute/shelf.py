"""The data sets and compiled programs that a worker has at hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from funcdl.execute.messages import Compiled, Job
from funcdl.types import Dataset, Split

Tell = Callable[[Any], None]  # sends a message to the supervisor

KEPT = 64  # programs; the one that was used longest ago is put away first, and loaded again at need
AHEAD_THREADS = 4  # programs that are compiled at once while a device trains


class Shelf:
    """Compiles a program when it is first asked for, or ahead of that in threads of its own.

    datasets: digest -> data set.
    """

    def __init__(self) -> None:
        self.datasets: dict[str, Dataset] = {}
        self._placed: dict[tuple[Any, ...], Any] = {}
        self._programs: dict[str, Future[Any]] = {}  # the one used last stands last
        self._lock = threading.RLock()
        self._pool: ThreadPoolExecutor | None = None

    def on_device(self, job: Job) -> Any:
        """The training split where the program expects it; on all devices, if it uses them all."""
        import jax

        from funcdl.execute.feed import stays, training_data
        from funcdl.train.lanes import lane_mesh
        from funcdl.train.mesh import make_mesh

        assert job.static is not None
        dataset, size = self.datasets[job.data], job.static.batch_size
        ratio = (job.static.unlabelled or {"ratio": 0})["ratio"]
        mesh = make_mesh(job.mode.mesh) if job.mode.mesh else None
        if lanes := job.mode.lanes(jax.local_device_count()):
            mesh = lane_mesh(jax.local_devices())
        parts = (dataset.train, *([Split(dataset.unlabelled, ())] if ratio else []))
        staying = any(stays(split, job.stream) for split in parts)
        key = (job.data, job.mode.name, ratio > 0, (size, ratio, lanes) if staying else None)
        with self._lock:
            if key not in self._placed:
                self._placed[key] = training_data(
                    dataset, job.stream, batch_size=size, ratio=ratio, lanes=lanes, mesh=mesh
                )
            return self._placed[key]

    def program(self, job: Job, tell: Tell) -> Any:
        """The job's program; compiled now, unless it is there or on its way.

        Args:
            job: any job of the program.
            tell: called with a `Compiled` when it is ready.
        """
        name = self._name(job)
        with self._lock:
            found = self._programs.pop(name, None)
            here = Future() if found is None else found
            self._programs[name] = here
        if found is None:
            self._compile(job, here, tell)
        try:
            return here.result()
        except BaseException:
            self.drop(job)
            raise
        finally:
            self._put_away()

    def ahead(self, job: Job, tell: Tell) -> None:
        """Has the job's program compiled while others run.

        What goes wrong shows when it is needed; `tell` is called from another thread.
        """
        name = self._name(job)
        with self._lock:
            if name in self._programs:
                return
            self._programs[name] = waiting = Future()
            self._pool = self._pool or ThreadPoolExecutor(AHEAD_THREADS)
            self._pool.submit(self._compile, job, waiting, tell)

    def hold(self, name: str, program: Any) -> None:
        """Takes a program that is compiled already."""
        with self._lock:
            self._programs[name] = Future()
            self._programs[name].set_result(program)

    def forget(self, digests: Iterable[str]) -> None:
        """Gives up data sets, here and on the device; no run that is at hand may need them."""
        with self._lock:
            for digest in digests:
                self.datasets.pop(digest, None)
                for key in [key for key in self._placed if key[0] == digest]:
                    del self._placed[key]

    def drop(self, job: Job) -> None:
        """Puts a program away."""
        with self._lock:
            self._programs.pop(self._name(job), None)

    def clear(self) -> None:
        """Gives up all that lies on the device: programs and placed data, not the data on the host."""
        with self._lock:
            waiting = list(self._programs.values())
            self._programs.clear()
        for program in waiting:
            program.exception()  # waits for those that are being compiled
        with self._lock:
            self._placed.clear()

    def _compile(self, job: Job, into: Future[Any], tell: Tell) -> None:
        from funcdl.execute.programs import compile_program

        try:
            assert job.static is not None
            program, seconds = compile_program(
                job.static, self.datasets[job.data], self.on_device(job), job.hyper, job.mode
            )
        except BaseException as error:
            into.set_exception(error)
        else:
            into.set_result(program)
            tell(Compiled(job.program, seconds))

    def _name(self, job: Job) -> str:
        """The same program is another one where its data come from the host."""
        from funcdl.execute.feed import stays

        dataset = self.datasets[job.data]
        parts = [dataset.train]
        if job.static is not None and job.static.unlabelled is not None:
            parts.append(Split(dataset.unlabelled, ()))
        hosted = [stays(split, job.stream) for split in parts]
        return job.program + "".join(f" part {i} from host" for i, one in enumerate(hosted) if one)

    def _put_away(self) -> None:
        with self._lock:
            done = [name for name, program in self._programs.items() if program.done()]
            for name in done[: max(0, len(self._programs) - KEPT)]:
                del self._programs[name]
