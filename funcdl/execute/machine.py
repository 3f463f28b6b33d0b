"""How many workers this machine can feed, and how they are set up."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path

from funcdl.errors import FuncdlError
from funcdl.execute.environment import processor
from funcdl.plan.mode import ACCELERATOR, CPU

PASSED_ON = {
    "JAX_PLATFORMS",
    "JAX_PLATFORM_NAME",
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_CUDA_VISIBLE_DEVICES",
    "JAX_ROCM_VISIBLE_DEVICES",
    "JAX_TRACEBACK_FILTERING",
}
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


def host_devices() -> int:
    """How many devices XLA is told to make of this CPU, for tests of what runs on several."""
    told = re.findall(
        r"--xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", "")
    )
    return int(told[-1]) if told else 1


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


def worker_environment(threads: int = 1) -> dict[str, str]:
    """The environment of a worker process.

    The number of threads is fixed, so that a run's bits do not depend on the number of cores;
    devices that XLA makes of a CPU get one each, since they wait for each other. Compiled programs
    are kept for the next study; modules are found where this process finds them. JAX's own settings
    are left behind unless they say where to run: others change a run's numbers.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_") or k in PASSED_ON}
    env["PJRT_NPROC"] = str(max(threads, host_devices()))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        env[name] = str(threads)
    cache = Path(env.get("JAX_COMPILATION_CACHE_DIR") or compilation_cache())
    env["JAX_COMPILATION_CACHE_DIR"] = str(cache / _kind(int(env["PJRT_NPROC"])))
    env["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    env["PYTHONHASHSEED"] = "0"
    return env


def compilation_cache() -> Path:
    """Where compiled programs are kept between studies."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("HOME")
    if not home:
        return Path(tempfile.gettempdir()) / f"funcdl-{os.getuid()}" / "xla"
    base = Path(home) if os.environ.get("XDG_CACHE_HOME") else Path(home) / ".cache"
    return base / "funcdl" / "xla"


def _kind(threads: int) -> str:
    """What machine code depends on, and JAX's key of a cached program does not hold.

    XLA shares loops out to as many threads as there are, and cores to run them; code for another
    processor may have other bits, or not run at all.
    """
    model = hashlib.sha256(processor().encode()).hexdigest()[:8]
    return f"{min(threads, schedulable_cores())}-threads-{model}"


def schedulable_cores() -> int:
    """Cores that the system lets this process use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return allowed or 1


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
