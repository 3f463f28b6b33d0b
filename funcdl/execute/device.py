"""What to say when JAX finds no device to run on, or leaves one unused."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

NO_DEVICE = 69  # the exit status of a worker whose JAX cannot start; trying again is in vain
_EXTRAS = {
    "cuda": "jax[cuda12]",
    "gpu": "jax[cuda12]",
    "tpu": "jax[tpu]",
    "rocm": "jax-rocm7-plugin",
}


def no_worker(how: str) -> str:
    """Why no worker can be started, and what to do.

    Args:
        how: how the last one ended.
    """
    asked = os.environ.get("JAX_PLATFORMS") or os.environ.get("JAX_PLATFORM_NAME")
    if not asked:
        return f"no worker can be started ({how}); try `python -c 'import jax; jax.devices()'`"
    extra = _EXTRAS.get(asked.split(",")[0])
    install = f", install what it needs (`pip install '{extra}'`)" if extra else ""
    return (
        f"JAX_PLATFORMS={asked} asks for a device that JAX cannot use here ({how}): set "
        f"JAX_PLATFORMS=cpu{install}, or unset it to take what is there"
    )


def unused_gpu(dev: Path = Path("/dev")) -> str:
    """A sentence about a GPU that JAX has no plugin for; empty where there is none.

    Args:
        dev: where the system lists its devices.
    """
    if os.environ.get("JAX_PLATFORMS") or not any(dev.glob("nvidia[0-9]*")):
        return ""
    if list(importlib.metadata.entry_points(group="jax_plugins")):
        return ""
    return (
        "there is an NVIDIA GPU here, but JAX has no plugin for it and runs on the CPU; "
        "`pip install 'jax[cuda12]'` to use it, or set JAX_PLATFORMS=cpu to say that this is meant"
    )
