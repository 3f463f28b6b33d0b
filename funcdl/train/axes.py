"""The axes of a mesh, as a config names them; nothing here needs JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping

AXES = ("data", "fsdp")


def devices_of(axes: Mapping[str, int]) -> int:
    """How many devices a mesh takes.

    Args:
        axes: axis -> devices along it; empty for no mesh, which is one device.

    >>> devices_of({"data": 2, "fsdp": 4}), devices_of({})
    (8, 1)
    """
    return math.prod(axes.values())


def in_words(axes: Mapping[str, int]) -> str:
    """A mesh as a config writes it.

    >>> in_words({"data": 2, "fsdp": 4})
    'mesh: {data: 2, fsdp: 4}'
    """
    return "mesh: {" + ", ".join(f"{name}: {size}" for name, size in axes.items()) + "}"


def too_few(axes: Mapping[str, int], found: int, platform: str) -> str:
    """Says that a mesh takes more devices than there are.

    Args:
        axes: of the mesh.
        found: how many devices JAX sees.
        platform: what they are, as JAX calls it.
    """
    wanted = devices_of(axes)
    flag = f"; to try it on a CPU, set XLA_FLAGS=--xla_force_host_platform_device_count={wanted}"
    return (
        f"{in_words(axes)} takes {wanted} devices, but JAX sees {found} ({platform}): make the "
        f"product of its axes {found} or less, or leave mesh out" + flag * (platform == "cpu")
    )


def uneven(batch_size: int, accumulate: int, axes: Mapping[str, int]) -> str:
    """What is wrong with a batch that the devices cannot share evenly; empty if nothing is.

    Args:
        batch_size: examples per step.
        accumulate: parts that a step's batch is cut into, one after the other.
        axes: of the mesh.

    >>> uneven(64, 1, {"data": 2, "fsdp": 4})
    ''
    >>> uneven(33, 1, {"data": 2})
    '33 given, but mesh: {data: 2} shares it among 2 devices; allowed are multiples of 2'
    """
    step = accumulate * devices_of(axes)
    if batch_size % step == 0:
        return ""
    parts = f" in {accumulate} parts (train.accumulate)" if accumulate > 1 else ""
    what = "each" if accumulate > 1 else "it"
    return (
        f"{batch_size} given{parts}, but {in_words(axes)} shares {what} among "
        f"{devices_of(axes)} devices; allowed are multiples of {step}"
    )
