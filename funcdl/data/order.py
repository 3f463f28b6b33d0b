"""Which examples a step sees: an epoch's shuffle, computed where it is needed and never stored.

A permutation array per epoch costs a sort per epoch, memory that `vmap` multiplies, and state to
save. A keyed *bijection* of `0..n-1` gives any element of the shuffle directly, so that a batch is
a pure function of (key, step) and resuming needs nothing but the step.

The bijection is a generalised Feistel network on pairs `(left, right)` in `[0, a) x [0, b)`, with
`a * b` at least `n` and close to it, and cycle-walking for the few points beyond `n`. It shuffles;
it is not a cipher.

Source: Black & Rogaway, "Ciphers with arbitrary finite domains" (CT-RSA 2002), sections 3 and 5.
The integer mixer is the finaliser of MurmurHash3 (Appleby, 2011, public domain).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from funcdl.errors import DataError
from funcdl.types import Array

_ROUNDS = 12  # successive pairs look independent from 6 on; the rest is margin
_ROUNDS_TINY = 24  # all n! orders of 7 examples look equally likely from 20 on
_TINY = 256
_GOLDEN = np.uint32(0x9E3779B9)  # 2^32 / golden ratio: distinct, dense-in-bits round constants
_WIDEST = 2**16 - 1  # a side, so that `_below` does not overflow
_LARGEST = 2**31 - 1  # the result is int32


def indices(key: Array, step: Array | int, *, n: int, batch_size: int) -> Array:
    """Returns which examples the batch of a step holds.

    With `m = n // batch_size` batches in an epoch, step `s` is batch `s % m` of epoch `s // m`.
    Every epoch has a shuffle of its own; the `n % batch_size` examples at its end are left out,
    other ones in each epoch. A batch larger than the data holds `batch_size // n` whole epochs and the
    beginning of one more; the next batch begins with new ones. Works under `jit`, `vmap` (over keys or
    steps) and inside loops, with the same bits.

    Args:
      key: a JAX key, e.g. `jax.random.key(0)`; two keys give independent orders.
      step: int32 scalar >= 0, traced or not.
      n: number of examples, static.
      batch_size: examples in a batch, static.

    Returns:
      int32 `[batch_size]`, in `0..n-1`; distinct, if there are as many.

    Raises:
      DataError: if the batch or the data are empty, or `n` does not fit int32.

    Example:
      >>> batches = [indices(jax.random.key(0), step, n=6, batch_size=2) for step in range(3)]
      >>> sorted(int(i) for batch in batches for i in batch)
      [0, 1, 2, 3, 4, 5]
    """
    _check(n, batch_size)
    step = jnp.asarray(step, jnp.uint32)
    if batch_size > n:
        epochs, which, positions = _whole_epochs(n, batch_size)
        keys = jax.vmap(lambda epoch: _round_keys(key, epoch, _rounds(n)))(
            step * len(epochs) + epochs
        )
        return shuffled(positions, keys[which].T, n).astype(jnp.int32)
    batches = n // batch_size
    epoch, batch = step // batches, step % batches
    positions = batch * batch_size + jnp.arange(batch_size, dtype=jnp.uint32)
    return shuffled(positions, _round_keys(key, epoch, _rounds(n)), n).astype(jnp.int32)


def indices_on_host(words: np.ndarray, steps: np.ndarray, *, n: int, batch_size: int) -> np.ndarray:
    """The same as `indices` for many steps, by NumPy: the host reads what the device would gather.

    Args:
      words: uint32 `[2]`, the words of the key, as `jax.random.key_data` gives them.
      steps: integers `[k]` >= 0.
      n: number of examples.
      batch_size: examples in a batch.

    Returns:
      int32 `[k, batch_size]`, equal to those of `indices` element for element.

    Raises:
      DataError: as `indices` does.

    Example:
      >>> words = np.asarray(jax.random.key_data(jax.random.key(0)))
      >>> on_host = indices_on_host(words, np.array([3, 4]), n=6, batch_size=2)
      >>> [batch.tolist() for batch in on_host] == [
      ...     indices(jax.random.key(0), step, n=6, batch_size=2).tolist() for step in (3, 4)]
      True
    """
    _check(n, batch_size)
    if batch_size > n:
        of_step, which, positions = _whole_epochs(n, batch_size)
        first = np.asarray(steps, np.uint32) * np.uint32(len(of_step))
        epochs = first[:, None] + which
        positions = np.broadcast_to(positions, epochs.shape)
    else:
        epochs, batches = np.divmod(np.asarray(steps, np.uint32), np.uint32(n // batch_size))
        positions = batches[:, None] * np.uint32(batch_size) + np.arange(
            batch_size, dtype=np.uint32
        )
        epochs = epochs[:, None]
    words = np.asarray(words, np.uint32)[
        :, None
    ]  # axes, since NumPy warns of numbers that overflow
    found, which = np.unique(epochs, return_inverse=True)
    keys = np.concatenate([_round_keys_of(words, e[None], _rounds(n))[:, None] for e in found], 1)
    return shuffled(positions, keys[:, which.reshape(epochs.shape)], n).astype(np.int32)


def shuffled(positions: Array, round_keys: Array, n: int) -> Array:
    """Maps positions of a shuffle of `0..n-1` to its elements, bijectively.

    Args:
      positions: uint32 `[...]`, each below `n`.
      round_keys: uint32 `[rounds]`, or `[rounds, ...]` with axes that broadcast to the positions'.
      n: number of elements, static, at least 1.

    Returns:
      uint32, of the shape of `positions`, each below `n`.
    """
    a, b = _sides(n)
    values = _feistel(positions, round_keys, a, b)
    if isinstance(values, np.ndarray):
        while (values >= n).any():
            values = np.where(values < n, values, _feistel(values, round_keys, a, b))
        return values
    if a * b == n and jax.default_backend() != "cpu":
        return values  # a loop makes an accelerator wait for the host
    # Cycle-walking: a point beyond n goes round again. The bijection's cycles are finite and each
    # such point came from one below n, so every walk ends below n. On a CPU the loop is there even when
    # no point can be beyond n: without it XLA:CPU computes the network anew for every pixel that is
    # gathered, which makes a step of a CNN twice as slow.
    return jax.lax.while_loop(
        lambda values: jnp.any(values >= n),
        lambda values: jnp.where(values < n, values, _feistel(values, round_keys, a, b)),
        values,
    )


def _whole_epochs(n: int, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The epochs of a batch larger than the data: `0..k-1`, each element's epoch and place in it."""
    elements = np.arange(batch_size, dtype=np.uint32)
    which, positions = np.divmod(elements, np.uint32(n))
    return np.arange(which[-1] + 1, dtype=np.uint32), which, positions


def _check(n: int, batch_size: int) -> None:
    if batch_size < 1 or n < 1:
        raise DataError(
            f"a batch of {batch_size} of {n} training examples; allowed are 1 and more of both"
        )
    if n > _LARGEST:
        raise DataError(f"{n} examples are more than int32 can number; allowed are {_LARGEST}")


def _feistel(values: Array, round_keys: Array, a: int, b: int) -> Array:
    """A keyed bijection of `0..a*b-1`; elementwise."""
    left, right = values // b, values % b
    for r in range(round_keys.shape[0]):
        if r % 2 == 0:
            left = _add_modulo(left, _below(_mix(right ^ round_keys[r]), a), a)
        else:
            right = _add_modulo(right, _below(_mix(left ^ round_keys[r]), b), b)
    return left * b + right


def _rounds(n: int) -> int:
    """A round mixes one side by a function of the other: narrow sides need more of them."""
    return _ROUNDS_TINY if n < _TINY else _ROUNDS


def _round_keys(key: Array, epoch: Array, rounds: int) -> Array:
    """uint32 `[rounds]` from all words of the key and the epoch."""
    return _round_keys_of(jax.random.key_data(key), epoch, rounds)


def _round_keys_of(words: Array, epoch: Array, rounds: int) -> Array:
    seed = epoch
    for i in range(words.shape[0]):
        seed = _mix(seed * np.uint32(5) + words[i] + _GOLDEN)
    return _mix(seed ^ _mix(words[0] + np.arange(1, rounds + 1, dtype=np.uint32) * _GOLDEN))


def _mix(x: Array) -> Array:
    """MurmurHash3's 32-bit finaliser: each input bit flips each output bit half of the time."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _below(x: Array, limit: int) -> Array:
    """`floor(x * limit / 2^32)` for uint32 `x` and `limit < 2^16`, without 64-bit integers.

    A multiplication where a remainder would need a division, which does not vectorise.
    """
    return ((x >> 16) * limit + (((x & 0xFFFF) * limit) >> 16)) >> 16


def _add_modulo(x: Array, y: Array, limit: int) -> Array:
    """`(x + y) % limit` for both below `limit`."""
    total = x + y
    where = np.where if isinstance(total, np.ndarray) else jnp.where
    return where(total >= limit, total - limit, total)


def _sides(n: int) -> tuple[int, int]:
    """The rectangle `(a, b)` with the least `a * b >= n` among nearly square ones.

    Points beyond `n` cost a walk, so a rectangle that wastes few of them is worth searching for.
    """
    root = math.isqrt(n - 1) + 1
    narrowest = max(min(2, root), root // 2, -(-n // _WIDEST))
    candidates = [(a, -(-n // a)) for a in range(root, narrowest - 1, -1)]
    return min(candidates, key=lambda sides: sides[0] * sides[1])
