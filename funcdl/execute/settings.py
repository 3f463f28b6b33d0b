"""This process's JAX set up as a worker's, so that runs done here have the bits of a worker's runs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from funcdl.errors import FuncdlError
from funcdl.execute.worker_environment import schedulable_cores, worker_environment

# JAX's settings that change numbers, or what a program may do, with the values that a process has
# which was told nothing. One that a version of JAX does not know is passed over.
SETTINGS: Mapping[str, Any] = {
    "jax_debug_infs": False,
    "jax_debug_nans": False,
    "jax_default_dtype_bits": "64",
    "jax_default_matmul_precision": None,
    "jax_default_prng_impl": "threefry2x32",
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_enable_custom_prng": False,
    "jax_enable_x64": False,
    "jax_exec_time_optimization_effort": 0.0,
    "jax_legacy_prng_key": "allow",
    "jax_memory_fitting_effort": 0.0,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_optimization_level": "UNKNOWN",
    "jax_random_seed_offset": 0,
    "jax_softmax_custom_jvp": False,
    "jax_threefry_gpu_kernel_lowering": False,
    "jax_threefry_partitionable": True,
}
_PROBE = (4096, 4096)  # large enough that XLA shares it out to all of its threads


def accelerator_held() -> str | None:
    """The platform that JAX uses in this process, such as "tpu"; None if that is a CPU.

    None also where JAX has not started: asking must not start it, since only one process can have
    a TPU.
    """
    if not _has_started():
        return None
    import jax

    platform = jax.default_backend()
    return None if platform == "cpu" else platform


@contextlib.contextmanager
def as_in_a_worker(threads: int) -> Iterator[None]:
    """Gives JAX the settings it has in a worker, and its own back in the end.

    The number of threads stays, for XLA reads it only once; the cache of compiled programs is a
    worker's for the time of the block, too, since what lies in another may have been compiled for
    another number of threads.

    Args:
        threads: how many threads a worker of the study has.

    Raises:
        FuncdlError: if JAX has already started with another number of threads, or if one of its
            settings is held by a `with` block.
    """
    wanted = worker_environment(threads)
    if not _has_started():
        os.environ["PJRT_NPROC"] = wanted["PJRT_NPROC"]
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache
    from threadpoolctl import threadpool_limits  # comes with scikit-learn, which baselines need

    if jax.default_backend() == "cpu":
        _check_threads(int(wanted["PJRT_NPROC"]))
    settings = {**SETTINGS, **_cache(wanted["JAX_COMPILATION_CACHE_DIR"])}
    before = {name: _plain(value) for name, value in jax.config.values.items() if name in settings}
    changes = {name: settings[name] for name, old in before.items() if settings[name] != old}
    try:
        for name, value in changes.items():
            jax.config.update(name, value)
        _check_settings(changes)
        reset_cache()
        with threadpool_limits(threads):
            yield
    finally:
        for name in changes:
            jax.config.update(name, before[name])
        reset_cache()


def _cache(folder: str) -> dict[str, Any]:
    """Every program is worth keeping, as in a worker."""
    return {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }


def _has_started() -> bool:
    """Whether JAX has looked for its devices, after which their number cannot be changed."""
    if "jax" not in sys.modules:
        return False
    import jax

    count = jax.config.values["jax_num_cpu_devices"]
    try:
        jax.config.update("jax_num_cpu_devices", 1 if count != 1 else 2)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", count)
    return False


def _check_threads(wanted: int) -> None:
    """XLA shares work out to as many threads as it has, so a program tells how many those are."""
    found = _threads()
    if found != min(wanted, schedulable_cores()):
        raise FuncdlError(
            f"workers=0 needs JAX in this process to use {wanted} thread{'s' * (wanted > 1)}, as "
            f"workers do, or results would have other bits; but it has already started, with "
            f"{found}. Set the environment variable PJRT_NPROC={wanted} before the first use of JAX "
            "(in a notebook: %env in its first cell, after a restart), or leave workers out"
        )


def _threads() -> int:
    import jax
    import jax.numpy as jnp

    # No two processes ask for the same program: one from a cache would tell of another process.
    unique = int.from_bytes(os.urandom(3), "little") + 1.0
    shape = jax.ShapeDtypeStruct(_PROBE, jnp.float32)
    text = jax.jit(lambda x: jnp.exp(x * unique)).lower(shape).compile().as_text() or ""
    shares = re.findall(r'outer_dimension_partitions":\[([^]]*)\]', text)
    counts = [int(n) for share in shares for n in re.findall(r"\d+", share)]
    return max(counts, default=1)


def _check_settings(changes: Mapping[str, Any]) -> None:
    import jax

    for name, value in changes.items():
        found = _plain(jax.config.values[name])
        if found != value:
            raise FuncdlError(
                f"{name} is {found!r} here and nowhere else, by a `with` block; leave that block "
                "before running a study with workers=0"
            )


def _plain(value: Any) -> Any:
    """Some versions of JAX have an enumeration where others have a word."""
    return getattr(value, "value", value)
