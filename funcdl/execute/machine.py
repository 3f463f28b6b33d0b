"""How many workers this machine can feed, and how they are set up."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

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


def worker_count() -> int:
    """Workers to start: what affinity, the container's CPU quota and free memory allow.

    One per core on a CPU; one for all chips where there is an accelerator.
    """
    if may_have_accelerator():
        return 1
    memory = _free_memory()
    by_memory = memory // WORKER_BYTES if memory else 1_000
    return max(1, min(_cores(), by_memory))


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


def worker_environment() -> dict[str, str]:
    """The environment of a worker process.

    One thread per worker, so that a run's bits do not depend on the number of cores; compiled
    programs are kept for the next study; modules are found where this process finds them. JAX's own
    settings are left behind unless they say where to run: others change a run's numbers.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_") or k in PASSED_ON}
    env["PJRT_NPROC"] = "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        env[name] = "1"
    env.setdefault("JAX_COMPILATION_CACHE_DIR", str(compilation_cache()))
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


def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = allowed or 1
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
