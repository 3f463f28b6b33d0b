"""Learning-rate schedules: pure functions of the step, with traced rates, fractions and lengths.

Each is `schedule(step, steps, *, warmup, ...) -> multiplier`, a float32 scalar by which the
learning rate is multiplied. `step` counts updates done before this one, 0..steps-1. Lengths are
fractions of the whole run, so that the same schedule fits a run of any length. Over a warm-up of L
steps the multiplier grows linearly, `(step + 1) / (L + 1)`, and is 1 first at step L; it does not
start at 0, which would waste a step, and makes D-Adaptation and Prodigy divide 0 by 0. optax has
the same curves, but its lengths must be Python integers (several branch on them), hence these: they
trace and vmap, and two runs that differ in a rate, a fraction or their steps share one program.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def constant(step: ArrayLike, steps: ArrayLike, *, warmup: float = 0.0) -> jax.Array:
    """Warm-up, then 1.

    Args:
        step: integer scalar, updates done so far.
        steps: scalar, updates in the whole run.
        warmup: fraction of the run, in [0, 1).

    Returns:
        float32 scalar.

    >>> [float(constant(step, 100, warmup=0.03)) for step in (0, 1, 2, 3, 50)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return _warm(step, steps, warmup)


def linear(
    step: ArrayLike, steps: ArrayLike, *, warmup: float = 0.0, final: float = 0.0
) -> jax.Array:
    """Warm-up, then a straight line from 1 to `final`: `1 - (1 - final) p`.

    Args:
        step: integer scalar, updates done so far.
        steps: scalar, updates in the whole run.
        warmup: fraction of the run, in [0, 1).
        final: the multiplier at the end of the run.

    Returns:
        float32 scalar; `p` is how much of the run after the warm-up is done.

    >>> float(linear(75, 100)), float(linear(75, 100, final=0.5))
    (0.25, 0.625)
    """
    decayed = 1.0 - (1.0 - jnp.float32(final)) * _progress(step, steps, warmup)
    return _warm(step, steps, warmup) * decayed


def cosine(
    step: ArrayLike, steps: ArrayLike, *, warmup: float = 0.0, final: float = 0.0
) -> jax.Array:
    """Warm-up, then half a cosine from 1 to `final`: `final + (1 - final) (1 + cos(pi p)) / 2`.

    Reference: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017),
    equation 5, without restarts.

    Args:
        step: integer scalar, updates done so far.
        steps: scalar, updates in the whole run.
        warmup: fraction of the run, in [0, 1).
        final: the multiplier at the end of the run.

    Returns:
        float32 scalar; `p` is how much of the run after the warm-up is done.

    >>> [round(float(cosine(step, 100)), 3) for step in (0, 25, 50, 100)]
    [1.0, 0.854, 0.5, 0.0]
    """
    wave = 0.5 * (1.0 + jnp.cos(jnp.pi * _progress(step, steps, warmup)))
    floor = jnp.float32(final)
    return _warm(step, steps, warmup) * (floor + (1.0 - floor) * wave)


def exponential(
    step: ArrayLike, steps: ArrayLike, *, warmup: float = 0.0, final: float = 0.01
) -> jax.Array:
    """Warm-up, then a constant factor per step, from 1 to `final`: `final ** p`.

    Args:
        step: integer scalar, updates done so far.
        steps: scalar, updates in the whole run.
        warmup: fraction of the run, in [0, 1).
        final: the multiplier at the end of the run, greater than 0.

    Returns:
        float32 scalar; `p` is how much of the run after the warm-up is done.

    >>> round(float(exponential(50, 100, final=0.01)), 6)
    0.1
    """
    decayed = jnp.float32(final) ** _progress(step, steps, warmup)
    return _warm(step, steps, warmup) * decayed


def staircase(
    step: ArrayLike,
    steps: ArrayLike,
    *,
    boundaries: Sequence[float] = (0.5, 0.75),
    factor: float = 0.1,
    warmup: float = 0.0,
) -> jax.Array:
    """Warm-up, then multiplied by `factor` at each boundary; in a config its name is `step`.

    Args:
        step: integer scalar, updates done so far.
        steps: scalar, updates in the whole run.
        boundaries: fractions of the whole run, in [0, 1], rounded to whole steps; from that step
            on the rate is lower.
        factor: what each boundary multiplies the rate by.
        warmup: fraction of the run, in [0, 1).

    Returns:
        float32 scalar.

    >>> [round(float(staircase(step, 100)), 6) for step in (49, 50, 75)]
    [1.0, 0.1, 0.01]
    """
    rate = _warm(step, steps, warmup)
    for boundary in boundaries:
        # Unrounded, 0.3 * 10 could come out a little above 3, and the drop a step late.
        passed = step >= jnp.round(jnp.float32(boundary) * jnp.float32(steps))
        rate = rate * jnp.where(passed, jnp.float32(factor), 1.0)
    return rate


def _warm(step: ArrayLike, steps: ArrayLike, warmup: ArrayLike) -> jax.Array:
    """The warm-up's multiplier; 1 throughout where there is none."""
    length = jnp.float32(warmup) * jnp.float32(steps)
    return jnp.minimum((jnp.float32(step) + 1.0) / (length + 1.0), 1.0)


def _progress(step: ArrayLike, steps: ArrayLike, warmup: ArrayLike) -> jax.Array:
    """How much of the run after the warm-up is done, in [0, 1]."""
    length = jnp.float32(warmup) * jnp.float32(steps)
    rest = jnp.maximum(jnp.float32(steps) - length, 1.0)
    return jnp.clip((jnp.float32(step) - length) / rest, 0.0, 1.0)
