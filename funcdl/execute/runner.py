"""One run, from its keys to its numbers: init, equal chunks, and a look at validation in between."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from funcdl.execute.messages import Job, Result
from funcdl.execute.programs import Program, as_scalars, batches
from funcdl.train.streams import stream_keys
from funcdl.types import Curve, Dataset, Split, State

CUT_SECONDS = 1.0  # how long a worker is out of reach


class Saved(NamedTuple):
    """A run that was left off: its state, and what it had measured."""

    state: State
    progress: Mapping[str, Any]


class Stopped(Exception):
    """The run was left off on request; it can be gone on with from its checkpoint."""


def run_job(
    job: Job,
    program: Program,
    dataset: Dataset,
    on_device: Split,
    *,
    saved: Saved | None = None,
    beat: Callable[[State, Mapping[str, Any]], None] = lambda state, progress: None,
    pulse: Callable[[], None] = lambda: None,
) -> Result:
    """Trains once and measures.

    Where the run is cut for a heartbeat or a checkpoint does not change its bits; where it looks at
    the validation split is part of its identity.

    Args:
        job: what to run.
        program: its compiled functions.
        dataset: the data on the host.
        on_device: the training split on the device.
        saved: where an earlier process left it off.
        beat: called about once a second with the state and the progress so far; it may save both,
            and may raise `Stopped`.
        pulse: called for every batch that is evaluated.

    Returns:
        What came out. A run that stops being finite is "diverged", which is a result.
    """
    began = time.perf_counter()
    keys = stream_keys(job.seed, job.phase, job.streams)
    hyper = as_scalars(job.hyper)
    state = saved.state if saved else program.init(keys, hyper, on_device)
    measured = _Measured(job, saved.progress if saved else None)
    step = int(state.step)
    diverged = int(state.diverged_at)
    cut = 1  # until the speed of the program is known
    while step < job.steps and diverged < 0:
        look = min((step // job.eval_every + 1) * job.eval_every, job.steps)
        stop = min(look, step + cut)
        start = time.perf_counter()
        state = program.chunk(state, keys, hyper, on_device, np.int32(stop))
        done, diverged = int(state.step) - step, int(state.diverged_at)
        step += done
        cut = max(1, int(CUT_SECONDS * done / max(time.perf_counter() - start, 1e-6)))
        if diverged < 0 and step == look:
            loss = float(state.loss_sum) / int(state.loss_count)
            state = state._replace(loss_sum=np.float32(0), loss_count=np.int32(0))
            if not measured.look(step, loss, _evaluator(program, state, hyper, dataset, pulse)):
                diverged = step
                state = state._replace(diverged_at=np.int32(step))
        beat(state, measured.progress())
    return Result(
        id=job.id,
        status="ok" if diverged < 0 else "diverged",
        reason="",
        steps=step,
        diverged_at=diverged,
        digest=_digest(state.variables),
        final=measured.final() if diverged < 0 else {},
        curves=measured.curves(),
        examples=measured.examples() if diverged < 0 else {},
        parameters=program.parameters,
        seconds=time.perf_counter() - began,
    )


class _Measured:
    """What a run has measured so far.

    With `at: final` the test split is looked at once, at the end; with `at: best` whenever the
    selecting metric is the best yet, so that the reported numbers are those of that step.
    """

    def __init__(self, job: Job, progress: Mapping[str, Any] | None):
        self.job = job
        start = progress or {"curves": {}, "best": None, "final": {}, "examples": {}}
        self._curves: dict[str, tuple[list[int], list[float]]] = {
            name: (list(steps), list(values)) for name, (steps, values) in start["curves"].items()
        }
        self._best: float | None = start["best"]
        self._final: dict[str, float] = dict(start["final"])
        self._examples: dict[str, list[float]] = dict(start["examples"])

    def look(self, step: int, train_loss: float, evaluate: Callable[[str], dict]) -> bool:
        """Takes the metrics of this step; False if one of them is not finite."""
        values = {"train/loss": train_loss}
        validation = evaluate("validation")
        values |= {name: _mean(x) for name, x in validation.items()}
        if not all(map(math.isfinite, values.values())):
            return False
        for name, value in values.items():
            steps, numbers = self._curves.setdefault(name, ([], []))
            steps.append(step)
            numbers.append(value)
        metric, mode, at = self.job.select
        better = self._best is None or (
            values[metric] > self._best if mode == "max" else values[metric] < self._best
        )
        if better:
            self._best = values[metric]
        if step == self.job.steps if at == "final" else better:
            test = evaluate("test") if self.job.measured else {}
            means = {name: _mean(x) for name, x in test.items()}
            if not all(map(math.isfinite, means.values())):
                return False
            self._final = values | means
            self._examples = {name: x.tolist() for name, x in test.items()}
        return True

    def progress(self) -> dict[str, Any]:
        """Everything so far as plain data, for a checkpoint."""
        return {
            "curves": self._curves,
            "best": self._best,
            "final": self._final,
            "examples": self._examples,
        }

    def final(self) -> dict[str, float]:
        return self._final

    def curves(self) -> dict[str, Curve]:
        return {
            name: Curve(np.asarray(steps, np.int32), np.asarray(values, np.float64))
            for name, (steps, values) in self._curves.items()
        }

    def examples(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(x, np.float32) for name, x in self._examples.items()}


def _evaluator(
    program: Program,
    state: State,
    hyper: Mapping[str, Any],
    dataset: Dataset,
    pulse: Callable[[], None],
) -> Callable[[str], dict[str, np.ndarray]]:
    def evaluate(name: str) -> dict[str, np.ndarray]:
        """Per-example metrics of a split: `{"test/accuracy": [n]}`."""
        parts: dict[str, list[np.ndarray]] = {}
        for batch, n in batches(getattr(dataset, name), program.rows):
            pulse()
            for metric, values in program.evaluate(state, hyper, batch).items():
                parts.setdefault(f"{name}/{metric}", []).append(np.asarray(values)[:n])
        return {metric: np.concatenate(values) for metric, values in parts.items()}

    return evaluate


def _mean(values: np.ndarray) -> float:
    """In float64, so that the mean of many examples keeps its digits."""
    return float(np.mean(values, dtype=np.float64))


def _digest(variables: Any) -> str:
    """SHA-256 over the path, dtype, shape and bytes of every array (hex)."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        array = np.asarray(leaf)
        total.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
