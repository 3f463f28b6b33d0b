"""What a run was made with: an allow-list of facts, never the process's whole environment."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

PACKAGES = ("funcdl", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "scikit-learn")


def environment() -> dict[str, str]:
    """Versions and machine, for a process that has imported JAX."""
    import jax

    devices = jax.devices()
    facts = {name: _version(name) for name in PACKAGES}
    facts |= {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "backend": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": str(len(devices)),
        "threads": os.environ.get("PJRT_NPROC", "all"),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        "x64": str(jax.config.read("jax_enable_x64")).lower(),
    }
    return facts


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """The model of the processor, as the system names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or sys.platform
