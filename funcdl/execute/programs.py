"""Compiled programs: one per static recipe, data shapes and mode, made once and called run by run."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcdl.execute.cost import Cost, cost
from funcdl.execute.feed import OnDevice, for_compiling, for_init, hosted
from funcdl.execute.messages import Job
from funcdl.plan.mode import EACH, Mode
from funcdl.tasks.load import make_task
from funcdl.train.assemble import Static, assemble
from funcdl.train.lanes import lane_mesh, over_lanes, placed
from funcdl.train.mesh import make_mesh, over, rows_over, shardings
from funcdl.train.remat import compiler_options
from funcdl.train.start import blank
from funcdl.train.streams import stream_keys
from funcdl.types import Dataset, Split, State, Task

EVALUATION_BATCH = 1024  # examples at once
EVALUATION_TOTAL = 2**16  # examples at once, over all lanes of a device
COMPILED_AT_ONCE = 4  # functions of a program
STALE_BEFORE = (0, 9)  # version of JAX; see `_compiler_options`


class Program(NamedTuple):
    """Three compiled functions and what they are called with.

    init: `init(keys, hyper, train) -> State`.
    chunk: `chunk(state, keys, hyper, train, stop) -> State`; it takes the state's memory.
    evaluate: `evaluate(state, hyper, batch) -> {metric: [batch]}`, for batches of `rows` examples.
    parameters: how many numbers are trained.
    lanes: how many runs it does at once, on all devices; 0 if it has no axis of lanes.
    mesh: the devices that lanes are shared out to, if they are more than one.
    cost: of one step, and of the memory it takes.
    predict: `predict(state, hyper, inputs) -> outputs`, likewise; None where no outputs are wanted.
    drawn: whether `evaluate` and `predict` take a key and a place, too: see `types.Train`.
    trained: `trained(state, hyper) -> Variables`; None where they are not wanted.
    """

    init: Callable[..., State]
    chunk: Callable[..., State]
    evaluate: Callable[..., Mapping[str, jax.Array]]
    rows: int
    parameters: int
    lanes: int = 0
    mesh: Any = None
    cost: Cost = Cost()
    predict: Callable[..., Any] | None = None
    drawn: bool = False
    trained: Callable[..., Any] | None = None


def compile_program(
    static: Static,
    dataset: Dataset,
    on_device: OnDevice,
    hyper: Mapping[str, float],
    mode: Mode = EACH,
) -> tuple[Program, float]:
    """Compiles a program ahead of its first run.

    Args:
        static: what decides the program.
        dataset: the data set on the host.
        on_device: its training split, as `to_device` gives it.
        hyper: any values of the traced numbers; only their names matter.
        mode: one run at a time, on one device or over a mesh, or lanes over all local devices.

    Returns:
        The program, and the seconds it took.
    """
    began = time.perf_counter()
    mesh, drawn = make_mesh(mode.mesh) if mode.mesh else None, static.mc_passes > 0
    train = assemble(static, dataset, over(mesh) if mesh else None)
    rows = min(EVALUATION_BATCH, max(_rows(dataset.validation), _rows(dataset.test)))
    keys, scalars = stream_keys(0, "tune", 0), as_scalars(hyper)
    stop, where, lanes = np.int32(0), {}, mode.lanes(jax.local_device_count())
    first = for_init(on_device)
    start = blank(static.start)
    shapes = jax.eval_shape(train.init, keys, scalars, first, *start)
    if mesh:
        start = placed(start, mesh, lanes=False)
        rows = -(-rows // mesh.size) * mesh.size
        keys, scalars, stop = placed((keys, scalars, stop), mesh, lanes=False)
        where = {"out_shardings": shardings(shapes, mesh)}
    elif lanes:
        mesh = lane_mesh(jax.local_devices())
        rows = min(rows, max(1, EVALUATION_TOTAL // mode.width))
        keys, scalars = stacked([keys] * lanes, mesh), stacked([scalars] * lanes, mesh)
        stop = placed(np.zeros(lanes, np.int32), mesh, lanes=True)
        streamed, started = hosted(on_device), bool(start)
        which = {"streamed": streamed, "drawn": drawn, "started": started}
        train = over_lanes(train, mesh, alone=mode.name == "each", **which)
        start = stacked([start] * lanes, mesh)
    options = _compiler_options()
    for_chunk = compiler_options(jax.default_backend()) if static.remat else {}
    looking = (keys["dropout"], np.zeros(2, np.int32)) if drawn else ()
    predict = trained = None
    # Python traces one after the other; XLA compiles meanwhile, on cores that would be idle.
    with ThreadPoolExecutor(COMPILED_AT_ONCE) as pool:
        lowered = jax.jit(train.init, **where).lower(keys, scalars, first, *start)
        init = pool.submit(lowered.compile, options | _for_one_call())
        state = jax.eval_shape(train.init, keys, scalars, first, *start)
        if mesh:
            state = jax.tree.map(_with_sharding, state, init.result().output_shardings)
        jitted = jax.jit(train.chunk, donate_argnums=0, **where)
        traced = jitted.trace(state, keys, scalars, for_compiling(on_device), stop)
        chunk = pool.submit(traced.lower().compile, options | for_chunk)
        batch, _ = next(batches(dataset.validation, rows))
        if mesh and not lanes:
            batch = jax.device_put(batch, rows_over(mesh))
        lowered = jax.jit(train.evaluate).lower(state, scalars, batch, *looking)
        evaluate = pool.submit(lowered.compile, options)
        if static.outputs or wants_outputs(make_task(static.task)):
            lowered = jax.jit(train.predict).lower(state, scalars, batch.inputs, *looking)
            predict = pool.submit(lowered.compile, options)
        if static.variables:
            lowered = jax.jit(train.trained).lower(state, scalars)
            trained = pool.submit(lowered.compile, options)
    shared = mesh.size if mesh and not lanes else 1
    program = Program(
        init=init.result(),
        chunk=chunk.result(),
        evaluate=evaluate.result(),
        rows=rows,
        parameters=sum(x.size for x in jax.tree.leaves(shapes.variables["params"])),
        lanes=lanes,
        mesh=mesh,
        cost=cost(chunk.result(), traced.jaxpr, mode.width if lanes else 1, shared),
        predict=predict and predict.result(),
        drawn=drawn,
        trained=trained and trained.result(),
    )
    return program, time.perf_counter() - began


def wants_outputs(task: Task) -> bool:
    """Whether a task has metrics that need the outputs of a whole split on the host."""
    return bool(task.summaries or task.fitted)


def template_of(program: Program, job: Job, on_device: OnDevice) -> State:
    """A state of one run of the program, for its structure, shapes and dtypes."""
    keys, hyper = stream_keys(job.seed, job.phase, job.streams), as_scalars(job.hyper)
    if not program.lanes:
        return program.init(keys, hyper, for_init(on_device), *job.beginning)
    assert job.static is not None
    lanes = program.lanes
    many = program.init(
        stacked([keys] * lanes, program.mesh),
        stacked([hyper] * lanes, program.mesh),
        for_init(on_device),
        *stacked([job.beginning] * lanes, program.mesh),
    )
    return jax.tree.map(lambda leaf: leaf[0], many)


def stacked(trees: Sequence[Any], mesh: Any) -> Any:
    """Trees of one structure as one tree with a leading axis of lanes, on the mesh."""
    return placed(jax.tree.map(_stack, *trees), mesh, lanes=True)


def _stack(*leaves: Any) -> Any:
    is_key = jnp.issubdtype(getattr(leaves[0], "dtype", np.float32), jax.dtypes.prng_key)
    return jnp.stack(leaves) if is_key else np.stack([np.asarray(leaf) for leaf in leaves])


def _with_sharding(shape: Any, sharding: Any) -> Any:
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def _compiler_options() -> dict[str, Any]:
    """What keeps numbers right, and steps short.

    A GPU adds in whatever order its threads end, unless it is told not to. On CPUs the XNNPACK that
    came with older versions of jaxlib packs a weight once per address: `evaluate` then silently takes
    it as it was before `chunk` changed it in its place. Newer ones can do without some copies of the
    loop's state, which changes no bit and takes 4 % off an MLP's step.
    """
    if jax.default_backend() in ("gpu", "cuda", "rocm"):
        return {"xla_gpu_deterministic_ops": True}
    if jax.default_backend() != "cpu":
        return {}
    if jax.__version_info__ < STALE_BEFORE:
        return {"xla_cpu_use_xnnpack": False}
    return _if_known("xla_cpu_copy_insertion_use_region_analysis")


@functools.cache
def _if_known(option: str) -> dict[str, Any]:
    """The option switched on; nothing where this XLA does not have it any more."""
    try:
        jax.jit(lambda x: x + 1).lower(np.float32(0)).compile({option: True})
    except jax.errors.JaxRuntimeError:
        return {}
    return {option: True}


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
