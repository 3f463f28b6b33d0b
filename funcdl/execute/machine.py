"""What this machine has for workers: cores, memory, accelerators."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from pathlib import Path

from funcdl.errors import FuncdlError
from funcdl.execute.worker_environment import host_devices, schedulable_cores
from funcdl.plan.mode import ACCELERATOR, CPU

WORKER_BYTES = (
    2**30
)  # a worker with JAX, its programs and a small model; used to bound their number


def worker_count(threads: int = 1) -> int:
    """Workers to start: what affinity, the container's CPU quota and free memory allow.

    As many as have their threads' cores on a CPU; one for all chips where there is an accelerator,
    or where XLA is told to make a CPU look like several devices.
    """
    if may_have_accelerator() or host_devices() > 1:
        return 1
    memory = _free_memory()
    by_memory = memory // WORKER_BYTES if memory else 1_000
    return max(1, min(_cores() // threads, by_memory))


def check_threads(threads: int) -> None:
    """Refuses more threads per worker than there are cores.

    XLA shares a loop out to as many threads as can run at once, so that with fewer cores a program
    would be another one, and give other bits.

    Raises:
        FuncdlError: if there are fewer cores.
    """
    cores = schedulable_cores()
    if threads > cores:
        raise FuncdlError(
            f"threads: {threads} given, but this process may use {cores} cores here; with fewer cores "
            f"than threads results would differ in their last digits; allowed 1 to {cores}"
        )


def backend() -> str:
    """What programs will run on, as planning sees it."""
    return ACCELERATOR if may_have_accelerator() else CPU


def may_have_accelerator() -> bool:
    """Whether JAX could find a GPU or TPU here; asks nothing of JAX itself."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms:
        return platforms.split(",")[0] != "cpu"
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    nvidia = any(Path("/dev").glob("nvidia[0-9]*"))
    tpu = importlib.util.find_spec("libtpu") is not None and any(
        path.exists() for path in (Path("/dev/accel0"), Path("/dev/vfio/0"))
    )
    return (bool(list(plugins)) and nvidia) or tpu


def _cores() -> int:
    cores = schedulable_cores()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return cores


def _free_memory() -> int | None:
    """Bytes that can be had, by the kernel's estimate and the container's limit."""
    free = None
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max" and free is not None:
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            free = min(free, int(limit) - used)
    except (OSError, ValueError):
        pass
    return free
