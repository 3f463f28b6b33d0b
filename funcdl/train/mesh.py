"""One run over many devices: how its state, its batches and its data lie on a mesh.

The rule is that of ZeRO stage 3, also called fully sharded data parallelism: parameters, and all that
an optimizer keeps of their shape, are split over the axis `fsdp`, so that a device holds one part of
them; the axis `data` holds copies of those parts; the examples of a batch are split over both. The
run is the same program otherwise. Its arrays are told where to lie, and XLA's partitioner writes the
exchanges, choosing what is less to send: a parameter's parts or the activations. It needs no help:
gathering each parameter whole where the model uses it, as is done by hand elsewhere, took 5 to 30 times
the memory (compiled for eight TPU v5e chips: an MLP and a transformer of 20 million parameters).

Sums are taken in another order than on one device, so the mesh is a part of a run's identity.

Source: Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models"
(SC 2020), section 5; Xu et al., "GSPMD: general and scalable parallelization for ML computation
graphs" (2021), for the partitioner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from funcdl.errors import FuncdlError
from funcdl.train.axes import AXES, devices_of, too_few
from funcdl.types import PyTree

SMALL = 2**12  # elements; what is smaller stays whole, since moving it costs more than keeping it


class Layout(NamedTuple):
    """What a training step does to have its arrays lie where they should; see `over`.

    state: `state(tree) -> tree`, applied to all that lives from step to step.
    batch: `batch(tree) -> tree`, applied to the examples that a gradient is taken of.
    """

    state: Callable[[PyTree], PyTree]
    batch: Callable[[PyTree], PyTree]


ALONE = Layout(state=lambda tree: tree, batch=lambda tree: tree)  # one device: nothing to say


def make_mesh(axes: Mapping[str, int], devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh that a config asks for, on the first devices there are.

    Args:
        axes: `{"data": d, "fsdp": f}`; an axis that is left out is 1 long.
        devices: what to take them from; this process's devices by default.

    Returns:
        A mesh of `d * f` devices with both axes, in this order.

    Raises:
        FuncdlError: if there are fewer devices.
    """
    sizes = tuple(axes.get(name, 1) for name in AXES)
    found = jax.devices() if devices is None else list(devices)
    wanted = devices_of(axes)
    if wanted > len(found):
        raise FuncdlError(too_few(axes, len(found), found[0].platform))
    # Given, since its default is another one in newer versions of JAX.
    automatic = (AxisType.Auto,) * len(AXES)
    return jax.make_mesh(sizes, AXES, axis_types=automatic, devices=found[:wanted])


def split(shape: Sequence[int], parts: int) -> PartitionSpec:
    """How an array lies on the mesh: split along its longest axis that `parts` divides.

    Args:
        shape: of a parameter, or of anything an optimizer keeps for it.
        parts: length of the axis `fsdp`.

    Returns:
        The axis of the mesh for each axis of the array. An array of fewer than `SMALL` elements, or
        without an axis that can be split evenly, is whole on every device.

    >>> tuple(split((512, 2048), 4)), tuple(split((10,), 4))
    ((None, 'fsdp'), ())
    """
    axes = [axis for axis, length in enumerate(shape) if length % parts == 0 and length > 0]
    if parts == 1 or math.prod(shape) < SMALL or not axes:
        return PartitionSpec()
    longest = max(axes, key=lambda axis: (shape[axis], -axis))
    return PartitionSpec(*(None,) * longest, "fsdp")


def shardings(tree: PyTree, mesh: Mesh) -> PyTree:
    """Where each array of a state lies, by `split`: a tree of `NamedSharding`.

    Args:
        tree: arrays, or their shapes as `jax.eval_shape` gives them.
        mesh: from `make_mesh`.
    """
    return jax.tree.map(lambda x: NamedSharding(mesh, split(x.shape, mesh.shape["fsdp"])), tree)


def rows_over(mesh: Mesh) -> NamedSharding:
    """Examples `[n, ...]` over all devices: both axes of the mesh carry data. `n` must divide."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def whole(mesh: Mesh) -> NamedSharding:
    """An array that is whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over(mesh: Mesh) -> Layout:
    """The layout of a run over a mesh."""

    def state(tree: PyTree) -> PyTree:
        return jax.lax.with_sharding_constraint(tree, shardings(tree, mesh))

    def batch(tree: PyTree) -> PyTree:
        return jax.lax.with_sharding_constraint(tree, jax.tree.map(lambda _: rows_over(mesh), tree))

    return Layout(state, batch)
