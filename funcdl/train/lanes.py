"""Many runs at once: a run's pure functions over lanes, on one device or several.

A lane is a run with keys, numbers and state of its own; all share the data. Lanes do not depend on
each other: each has its own stop, and one that has reached it, or has diverged, is frozen while the
others go on. That falls out of `vmap` of a `while_loop`, whose carry is selected lane by lane.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from funcdl.train.window import Partly, Window
from funcdl.types import Train

AXIS = "lanes"


def over_lanes(
    train: Train,
    mesh: Mesh | None = None,
    *,
    streamed: bool | tuple[bool, bool] = False,
    drawn: bool = False,
    started: bool = False,
    alone: bool = False,
) -> Train:
    """The run's functions with a leading axis of lanes on everything but the data.

    Args:
        train: one run.
        mesh: devices to share the lanes out to, along an axis called `lanes`; the number of lanes
            must be a multiple of its length. Each device loops on its own, without communication. XLA
            compiles for several devices what it compiles for one, but may fuse it otherwise: between
            numbers of devices, as between kinds of machine, last digits may differ.
        streamed: whether `chunk` is called with a `Window` whose rows have an axis of lanes, too,
            since each lane has an order of its own; for data that are `Partly` labelled, of both parts.
        drawn: whether `evaluate` and `predict` take a key, with an axis of lanes, and a place.
        started: whether `init` takes what each lane begins with.
        alone: whether there is one lane a device, which then computes what a run alone does.

    Returns:
        `init(keys, hyper, data)`, `chunk(state, keys, hyper, data, stop)` with `stop` [lanes],
        `evaluate(state, hyper, split)`, whose values are [lanes, n], and `predict` likewise.
    """
    beginning = (0, 0, None, *((0,) if started else ()))
    over = _single if alone else jax.vmap
    init = over(train.init, beginning)
    if not alone and mesh is not None and mesh.devices.flat[0].platform == "cpu":
        # XLA:CPU waits for ever on the QR decompositions of several lanes on several devices.
        init = _one_by_one(train.init)
    chunk = over(train.chunk, (0, 0, 0, _of_data(streamed, None, 0), 0))
    looking = (0, 0, None, *((0, None) if drawn else ()))
    evaluate, predict = (over(f, looking) for f in (train.evaluate, train.predict))
    trained = over(train.trained, (0, 0))
    if mesh is None:
        return Train(init, chunk, evaluate, predict, trained)
    lane, same = PartitionSpec(AXIS), PartitionSpec()
    begun, shared = (
        tuple(same if axis is None else lane for axis in axes) for axes in (beginning, looking)
    )

    def shared_out(function: Any, specs: tuple[Any, ...]) -> Any:
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=lane, check_vma=False)

    return Train(
        shared_out(init, begun),
        shared_out(chunk, (lane, lane, lane, _of_data(streamed, same, lane), lane)),
        shared_out(evaluate, shared),
        shared_out(predict, shared),
        shared_out(trained, (lane, lane)),
    )


def _of_data(streamed: bool | tuple[bool, bool], shared: Any, own: Any) -> Any:
    """What is said of the training data: `shared` of what all lanes see, `own` of a lane's window."""
    if isinstance(streamed, tuple):
        return Partly._make(_of_data(one, shared, own) for one in streamed)
    return Window._make([shared, own]) if streamed else shared


def _single(function: Any, axes: tuple[Any, ...]) -> Any:
    """What `jax.vmap` does, for an axis of one lane: takes it away, and puts it back on the result."""

    def over(*arguments: Any) -> Any:
        inner = [_without(a, argument) for a, argument in zip(axes, arguments, strict=True)]
        return jax.tree.map(lambda x: x[None], function(*inner))

    return over


def _without(axes: Any, argument: Any) -> Any:
    """An argument, or a tuple's parts, without the axis of lanes where they have one."""
    if isinstance(axes, tuple):
        parts = [_without(a, part) for a, part in zip(axes, argument, strict=True)]
        return type(argument)(*parts)
    return argument if axes is None else jax.tree.map(lambda x: x[0], argument)


def _one_by_one(init: Any) -> Any:
    def over(keys: Any, hyper: Any, data: Any, *start: Any) -> Any:
        return jax.lax.map(lambda lane: init(*lane[:2], data, *lane[2:]), (keys, hyper, *start))

    return over


def lane_mesh(devices: list[Any]) -> Mesh | None:
    """All these devices in a row; None for a single one, which needs no mesh."""
    return Mesh(np.asarray(devices), (AXIS,)) if len(devices) > 1 else None


def placed(tree: Any, mesh: Mesh | None, *, lanes: bool) -> Any:
    """Puts arrays on the mesh: shared out by lane, or a copy on every device."""
    if mesh is None:
        return jax.device_put(tree)
    spec = PartitionSpec(AXIS) if lanes else PartitionSpec()
    return jax.device_put(tree, NamedSharding(mesh, spec))
