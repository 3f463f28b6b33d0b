"""Compiled programs: one per static recipe and data shapes, made once and called run by run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from funcdl.train.assemble import Static, assemble
from funcdl.train.streams import stream_keys
from funcdl.types import Dataset, Split, State

EVALUATION_BATCH = 1024


class Program(NamedTuple):
    """Three compiled functions and what they are called with.

    init: `init(keys, hyper, train) -> State`.
    chunk: `chunk(state, keys, hyper, train, stop) -> State`; it takes the state's memory.
    evaluate: `evaluate(state, hyper, batch) -> {metric: [batch]}`, for batches of `rows` examples.
    parameters: how many numbers are trained.
    """

    init: Callable[..., State]
    chunk: Callable[..., State]
    evaluate: Callable[..., Mapping[str, jax.Array]]
    rows: int
    parameters: int


def compile_program(
    static: Static, dataset: Dataset, on_device: Split, hyper: Mapping[str, float]
) -> tuple[Program, float]:
    """Compiles a program ahead of its first run.

    Args:
        static: what decides the program.
        dataset: the data set on the host.
        on_device: its training split on the device.
        hyper: any values of the traced numbers; only their names matter.

    Returns:
        The program, and the seconds it took.
    """
    began = time.perf_counter()
    train = assemble(static, dataset)
    rows = min(EVALUATION_BATCH, max(_rows(dataset.validation), _rows(dataset.test)))
    keys = stream_keys(0, "tune", 0)
    scalars = as_scalars(hyper)
    options = _compiler_options()
    once = options | _for_one_call()
    init = jax.jit(train.init).lower(keys, scalars, on_device).compile(once)
    state = jax.eval_shape(train.init, keys, scalars, on_device)
    chunk = jax.jit(train.chunk, donate_argnums=0)
    batch, _ = next(batches(dataset.validation, rows))
    program = Program(
        init=init,
        chunk=chunk.lower(state, keys, scalars, on_device, np.int32(0)).compile(options),
        evaluate=jax.jit(train.evaluate).lower(state, scalars, batch).compile(options),
        rows=rows,
        parameters=sum(x.size for x in jax.tree.leaves(state.variables["params"])),
    )
    return program, time.perf_counter() - began


def _compiler_options() -> dict[str, Any]:
    """A GPU adds in whatever order its threads end, unless it is told not to."""
    on_gpu = jax.default_backend() in ("gpu", "cuda", "rocm")
    return {"xla_gpu_deterministic_ops": True} if on_gpu else {}


def _for_one_call() -> dict[str, Any]:
    """How to compile what a run calls once: on a CPU optimising takes longer than it saves.

    For a small network the initial draws compile four to eight times faster so.
    """
    on_cpu = jax.default_backend() == "cpu"
    return {"xla_backend_optimization_level": 0} if on_cpu else {}


def batches(split: Split, rows: int) -> Any:
    """Yields a split in batches of one size: `(batch, n)`, of which the first `n` rows count.

    The last batch is filled up by repeating its last example.
    """
    total = _rows(split)
    for start in range(0, total, rows):
        n = min(rows, total - start)
        chosen = np.minimum(np.arange(start, start + rows), total - 1)
        yield jax.tree.map(lambda x, chosen=chosen: x[chosen], split), n


def as_scalars(hyper: Mapping[str, float]) -> dict[str, np.ndarray]:
    """The traced numbers as float32 scalars."""
    return {key: np.asarray(value, np.float32) for key, value in hyper.items()}


def _rows(split: Split) -> int:
    return len(jax.tree.leaves(split.inputs)[0])
