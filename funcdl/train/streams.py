"""Named random streams: where each kind of randomness in a run comes from.

A stream's key depends on the study's seed, the phase, the stream's name and the repeat, and on
nothing else. So two methods see the same batches in the same repeat (common random numbers), tuning
and measuring never share a seed, and adding a repeat, a trial or a method changes no other run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from funcdl.types import Array

STREAMS = ("init", "order", "dropout", "augment")


def key_words(seed: int, phase: str, stream: str, index: int) -> np.ndarray:
    """The two words of a stream's threefry key.

    They are the first 64 bits of SHA-256 over the four arguments: the same on every machine and
    under every version of JAX, and no program has to be compiled to make them.

    Args:
        seed: the study's seed.
        phase: "tune" or "measure".
        stream: one of `STREAMS`.
        index: the repeat this stream is at.

    Returns:
        uint32 array of shape [2].

    >>> key_words(0, "measure", "init", 0).dtype
    dtype('uint32')
    >>> bool((key_words(0, "tune", "init", 0) == key_words(0, "measure", "init", 0)).any())
    False
    """
    text = f"funcdl stream\n{seed}\n{phase}\n{stream}\n{index}".encode()
    return np.frombuffer(hashlib.sha256(text).digest()[:8], dtype=">u4").astype(np.uint32)


def stream_keys(seed: int, phase: str, repeat: int | Mapping[str, int]) -> dict[str, Array]:
    """The keys of all streams of one run, as typed JAX keys.

    Args:
        seed: the study's seed.
        phase: "tune" or "measure".
        repeat: the repeat, or a mapping from each stream to the repeat it is at.

    Returns:
        `{stream: key}`; each key is a scalar key array of the threefry2x32 implementation, which
        unlike "rbg" gives the same numbers under `vmap`.
    """
    import jax
    import jax.numpy as jnp

    at = repeat if isinstance(repeat, Mapping) else dict.fromkeys(STREAMS, repeat)
    return {
        stream: jax.random.wrap_key_data(
            jnp.asarray(key_words(seed, phase, stream, at[stream])), impl="threefry2x32"
        )
        for stream in STREAMS
    }
