"""Many runs at once, in the lanes of one program."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcdl.execute.feed import Feed, OnDevice, for_init
from funcdl.execute.looking import Looking, looking
from funcdl.execute.measured import Measured
from funcdl.execute.messages import Job, Result
from funcdl.execute.programs import Program, as_scalars, stacked
from funcdl.execute.runner import (
    CUT_SECONDS,
    Saved,
    Watch,
    digest,
    next_look,
    worth_keeping,
)
from funcdl.train.streams import stream_keys
from funcdl.types import Dataset, State


class Lane:
    """One run in its lane: where it is, and what it has measured."""

    def __init__(self, job: Job, dataset: Dataset, saved: Saved | None):
        self.job = job
        self.step = int(saved.state.step) if saved else 0
        self.diverged = int(saved.state.diverged_at) if saved else -1
        self.measured = Measured(job, dataset, saved.progress if saved else None)
        self.stored = False  # as it was at its end

    @property
    def going(self) -> bool:
        """Whether it has steps to do."""
        return self.step < self.job.end and self.diverged < 0


def run_lanes(
    jobs: Sequence[Job],
    program: Program,
    dataset: Dataset,
    on_device: OnDevice,
    *,
    saved: Mapping[str, Saved],
    watch: Watch = Watch(),  # noqa: B008 (it holds nothing)
) -> list[Result]:
    """Trains some runs side by side and measures each.

    Every lane goes at its own pace from look to look; one that has ended waits, frozen, for the
    others. Lanes without a run repeat the first one's numbers and do no steps. What stands in the
    other lanes changes no bit of a run.

    Args:
        jobs: what to run, at most `program.lanes`; of one program and one data set.
        program: its compiled functions, with lanes.
        dataset: the data on the host.
        on_device: its training split, as `to_device` gives it.
        saved: run id -> where an earlier process left it off.
        watch: who looks after them.

    Returns:
        What came out, in the order of the jobs.
    """
    began = time.perf_counter()
    filled = [*jobs, *[jobs[0]] * (program.lanes - len(jobs))]
    each = [stream_keys(j.seed, j.phase, j.streams) for j in filled]
    keys = stacked(each, program.mesh)
    hyper = stacked([as_scalars(j.hyper) for j in filled], program.mesh)
    start = stacked([j.beginning for j in filled], program.mesh)
    state = program.init(keys, hyper, for_init(on_device), *start)
    state = _with_saved(state, filled, saved, program.mesh)
    lanes = [Lane(job, dataset, saved.get(job.id)) for job in jobs]
    feed = Feed(on_device, each, max(job.end for job in jobs))
    cut = 1  # until the speed of the program is known
    while any(lane.going for lane in lanes):
        looks = [next_look(lane.job, lane.step) for lane in lanes]
        data, suffices = feed.at(min(lane.step for lane in lanes if lane.going))
        stops = np.zeros(program.lanes, np.int32)  # a lane that is there already does not move
        stops[: len(lanes)] = [
            min(look, lane.step + cut, suffices) for look, lane in zip(looks, lanes, strict=True)
        ]
        start = time.perf_counter()
        state = program.chunk(state, keys, hyper, data, stops)
        before = [lane.step for lane in lanes]
        _read(lanes, state)
        done = [lane.step - step for lane, step in zip(lanes, before, strict=True)]
        cut = max(1, int(CUT_SECONDS * max(done) / max(time.perf_counter() - start, 1e-6)))
        here = [
            i
            for i, (lane, step) in enumerate(zip(lanes, before, strict=True))
            if lane.diverged < 0 and step < lane.step == looks[i]
        ]
        if here:
            at = looking(program, state, hyper, keys, dataset, watch.pulse)
            state = _look(lanes, here, state, at)
            for lane in (lanes[i] for i in here if lanes[i].diverged < 0):
                watch.looked(lane.measured.latest)
        each_took = (time.perf_counter() - began) / len(lanes)
        over = [lanes[i] for i in here if lanes[i].step == lanes[i].job.end and not lanes[i].going]
        kept = [
            lane
            for lane in over
            if lane.diverged < 0 and worth_keeping(lane.job, each_took, saved.get(lane.job.id))
        ]
        watch.beat(lambda state=state: _saves(lanes, state), bool(kept), sum(done))
    seconds = (time.perf_counter() - began) / len(lanes)
    ended = jax.tree.map(np.asarray, state.variables)
    return [
        lane.measured.result(
            lane.step, lane.diverged, digest(_lane(ended, i)), program.parameters, seconds
        )
        for i, lane in enumerate(lanes)
    ]


def _read(lanes: Sequence[Lane], state: State) -> None:
    steps, diverged = np.asarray(state.step), np.asarray(state.diverged_at)
    for i, lane in enumerate(lanes):
        if lane.going:
            lane.step, lane.diverged = int(steps[i]), int(diverged[i])


def _look(lanes: Sequence[Lane], here: Sequence[int], state: State, at: Looking) -> State:
    """Lets the lanes that are `here`, at a look, measure themselves."""
    sums, counts = np.array(state.loss_sum), np.array(state.loss_count)
    diverged = np.array(state.diverged_at)
    # A split is looked at once for all lanes.
    values, outputs = functools.cache(at.values), functools.cache(at.outputs)
    trained = functools.cache(at.trained)

    def of_lane(i: int) -> Looking:
        return Looking(
            lambda split: _lane(values(split), i),
            lambda split: _lane(outputs(split), i),
            lambda: _lane(trained(), i),
        )

    for i in here:
        lane, loss = lanes[i], float(sums[i]) / int(counts[i])
        sums[i], counts[i] = 0, 0
        if not lane.measured.look(lane.step, loss, of_lane(i)):
            diverged[i] = lane.diverged = lane.step
    return state._replace(loss_sum=sums, loss_count=counts, diverged_at=diverged)


def _saves(lanes: Sequence[Lane], state: State) -> list[tuple[Job, Saved]]:
    """The lanes' runs as they are now, each to be saved as if it ran alone; one that has ended, once."""
    host = jax.tree.map(_on_host, state)
    saves = []
    for i, lane in enumerate(lanes):
        if not lane.stored:
            saves.append((lane.job, Saved(_lane(host, i), lane.measured.progress())))
            lane.stored = not lane.going
    return saves


def _with_saved(state: State, jobs: Sequence[Job], saved: Mapping[str, Saved], mesh: Any) -> State:
    """The state in which the saved runs' lanes stand where these were left off."""
    if not saved:
        return state
    host = jax.tree.map(_on_host, state)
    lanes = [
        saved[job.id].state if job.id in saved else _lane(host, i) for i, job in enumerate(jobs)
    ]
    return stacked(lanes, mesh)


def _on_host(leaf: Any) -> Any:
    """NumPy, but for random keys, which NumPy cannot hold."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


def _lane(tree: Any, index: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], tree)
