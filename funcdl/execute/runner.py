"""One run, from its keys to its numbers: init, equal chunks, and a look at validation in between."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from funcdl.execute.feed import Feed, OnDevice, for_init
from funcdl.execute.looking import looking
from funcdl.execute.measured import Measured
from funcdl.execute.messages import Job, Look, Result
from funcdl.execute.programs import Program, as_scalars
from funcdl.train.streams import stream_keys
from funcdl.types import Dataset, State

CUT_SECONDS = 1.0  # how long a worker is out of reach
KEEP_SECONDS = 0.25  # a state that is reached sooner is reached again rather than written and read


class Saved(NamedTuple):
    """A run between two steps: its state, and what it has measured."""

    state: State
    progress: Mapping[str, Any]


class Watch(NamedTuple):
    """Who looks after a run while it is done.

    beat: `beat(saves, now, steps)` is called about once a second; `saves()` is every run at hand as
        `(job, Saved)`, to be saved at leisure or, if `now`, at once; `steps` have been done since
        the last call. It may raise `Stopped`.
    pulse: called for every batch that is evaluated.
    over: called when the runs have ended or were left off.
    looked: told what a run has measured when it looked at the validation split.
    """

    beat: Callable[[Callable[[], list[tuple[Job, Saved]]], bool, int], None] = lambda *_: None
    pulse: Callable[[], None] = lambda: None
    over: Callable[[], None] = lambda: None
    looked: Callable[[Look], None] = lambda _: None


class Stopped(Exception):
    """The run was left off on request; it can be gone on with from its checkpoint."""


def run_job(
    job: Job,
    program: Program,
    dataset: Dataset,
    on_device: OnDevice,
    *,
    saved: Saved | None = None,
    watch: Watch = Watch(),  # noqa: B008 (it holds nothing)
) -> Result:
    """Trains once and measures.

    Where the run is cut for a heartbeat or a checkpoint does not change its bits; where it looks at
    the validation split is part of its identity.

    Args:
        job: what to run.
        program: its compiled functions.
        dataset: the data on the host.
        on_device: its training split, as `to_device` gives it.
        saved: where an earlier process, or the run that this one goes on from, left it off.
        watch: who looks after it.

    Returns:
        What came out. A run that stops being finite is "diverged", which is a result.
    """
    began = time.perf_counter()
    keys = stream_keys(job.seed, job.phase, job.streams)
    hyper = as_scalars(job.hyper)
    state = saved.state if saved else program.init(keys, hyper, for_init(on_device), *job.beginning)
    feed = Feed(on_device, [keys], job.end)
    measured = Measured(job, dataset, saved.progress if saved else None)
    step = int(state.step)
    diverged = int(state.diverged_at)
    cut = 1  # until the speed of the program is known
    while step < job.end and diverged < 0:
        look = next_look(job, step)
        data, suffices = feed.at(step)
        stop = min(look, step + cut, suffices)
        start = time.perf_counter()
        state = program.chunk(state, keys, hyper, data, np.int32(stop))
        done, diverged = int(state.step) - step, int(state.diverged_at)
        step += done
        cut = max(1, int(CUT_SECONDS * done / max(time.perf_counter() - start, 1e-6)))
        if diverged < 0 and step == look:
            loss = float(state.loss_sum) / int(state.loss_count)
            state = state._replace(loss_sum=np.float32(0), loss_count=np.int32(0))
            here = looking(program, state, hyper, keys, dataset, watch.pulse)
            if not measured.look(step, loss, here):
                diverged = step
                state = state._replace(diverged_at=np.int32(step))
            else:
                watch.looked(measured.latest)
        keep = (
            step == job.end
            and diverged < 0
            and worth_keeping(job, time.perf_counter() - began, saved)
        )
        watch.beat(lambda now=state: [(job, Saved(now, measured.progress()))], keep, done)
    seconds = time.perf_counter() - began
    return measured.result(step, diverged, digest(state.variables), program.parameters, seconds)


def worth_keeping(job: Job, seconds: float, saved: Saved | None) -> bool:
    """Whether a run's last state, reached in so many seconds, is left for the run to the next rung."""
    return job.keep and (saved is not None or seconds >= KEEP_SECONDS)


def next_look(job: Job, step: int) -> int:
    """The next step at which the run looks at the validation split."""
    return min((step // job.eval_every + 1) * job.eval_every, job.end)


def digest(variables: Any) -> str:
    """SHA-256 over the path, dtype, shape and bytes of every array (hex)."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        array = np.asarray(leaf)
        total.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
