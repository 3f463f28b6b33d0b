"""How a worker process is set up: what decides bits there is the same from every shell."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from funcdl.execute.environment import processor

LEFT_BEHIND = ("JAX_", "FLAX_", "NVIDIA_TF32_OVERRIDE")
PASSED_ON = {
    "JAX_PLATFORMS",
    "JAX_PLATFORM_NAME",
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_CUDA_VISIBLE_DEVICES",
    "JAX_ROCM_VISIBLE_DEVICES",
    "JAX_TRACEBACK_FILTERING",
}


def worker_environment(threads: int = 1) -> dict[str, str]:
    """The environment of a worker process.

    The number of threads is fixed, so that a run's bits do not depend on the number of cores;
    devices that XLA makes of a CPU get one each, since they wait for each other. Compiled programs
    are kept for the next study; modules are found where this process finds them. JAX's own settings
    and Flax's are left behind unless they say where to run: others change a run's numbers.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith(LEFT_BEHIND) or k in PASSED_ON}
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


def host_devices() -> int:
    """How many devices XLA is told to make of this CPU, for tests of what runs on several."""
    told = re.findall(
        r"--xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", "")
    )
    return int(told[-1]) if told else 1


def schedulable_cores() -> int:
    """Cores that the system lets this process use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return allowed or 1
