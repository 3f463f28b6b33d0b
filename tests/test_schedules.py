"""Schedules against optax's curves, whose lengths are whole numbers."""

from __future__ import annotations

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcdl.optimizers import SCHEDULES, schedules
from funcdl.signatures import parameters


def warm(length: int, after: optax.Schedule) -> optax.Schedule:
    """optax's warm-up that reaches 1 first at step `length`, then a curve of its own steps."""
    if not length:
        return after
    rise = optax.linear_schedule(1 / (length + 1), 1.0, length)
    return optax.join_schedules([rise, after], [length])


def reference(name: str, steps: int, length: int, final: float) -> optax.Schedule:
    rest = steps - length
    match name:
        case "constant":
            return warm(length, optax.constant_schedule(1.0))
        case "linear":
            return warm(length, optax.linear_schedule(1.0, final, rest))
        case "cosine":
            return warm(length, optax.cosine_decay_schedule(1.0, rest, alpha=final))
        case "exponential":
            return warm(length, optax.exponential_decay(1.0, rest, final))
    raise AssertionError(name)


STEPS = jnp.arange(301)


@functools.partial(jax.jit, static_argnums=0)
def curve(name: str, steps: jax.Array, rates: dict[str, jax.Array]) -> jax.Array:
    schedule = getattr(schedules, name)
    return jax.vmap(lambda step: schedule(step, steps, **rates))(STEPS)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    name=st.sampled_from(["constant", "linear", "cosine", "exponential"]),
    steps=st.integers(2, 300),
    share=st.floats(0, 0.99),
    final=st.floats(0.01, 1.0),
)
def test_equal_to_optax(name, steps, share, final):
    length = int(share * steps)
    rates = {"warmup": length / steps} | ({} if name == "constant" else {"final": final})
    expected = jnp.broadcast_to(reference(name, steps, length, final)(STEPS), STEPS.shape)[:steps]
    # The warm-up's length is a product of float32 numbers, which matters where the rest is short.
    np.testing.assert_allclose(curve(name, steps, rates)[:steps], expected, atol=2e-4)


def test_warmup_cosine_is_optax_s_joined_schedule():
    expected = optax.warmup_cosine_decay_schedule(1 / 11, 1.0, 10, 100, end_value=0.05)
    got = curve("cosine", 100, {"warmup": 0.1, "final": 0.05})
    np.testing.assert_allclose(got, expected(STEPS), atol=1e-6)


@pytest.mark.parametrize("steps", [10, 20, 100])
def test_staircase_is_optax_s_piecewise_constant(steps):
    boundaries = (0.3, 0.6, 0.9)
    expected = optax.piecewise_constant_schedule(
        1.0, {round(share * steps): 0.5 for share in boundaries}
    )
    got = [schedules.staircase(i, steps, boundaries=boundaries, factor=0.5) for i in range(steps)]
    np.testing.assert_array_equal(np.array(got), np.array([expected(i) for i in range(steps)]))


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_numbers_are_traced_and_never_zero(name):
    """One program for every length, warm-up and rate; no step is wasted on a rate of zero."""
    module, _, function = SCHEDULES[name].partition(":")
    schedule = getattr(importlib.import_module(module), function)
    known = parameters(SCHEDULES[name]).values()
    floats = [p.name for p in known if p.kind == "float" and p.name not in ("step", "steps")]
    assert "warmup" in floats
    traces = []

    @jax.jit
    def run(steps, rates):
        traces.append(name)
        return jax.vmap(lambda step: schedule(step, steps, **rates))(jnp.arange(40))

    short = run(jnp.float32(40), {key: jnp.float32(0.1) for key in floats})
    long = run(jnp.float32(80), {key: jnp.float32(0.3) for key in floats})
    assert len(traces) == 1
    assert short.dtype == jnp.float32
    assert not np.array_equal(short, long)
    assert np.all(np.asarray(short) > 0)
    assert np.all(np.asarray(short) <= 1)


def test_lanes_of_different_lengths_are_the_runs_alone():
    steps = jnp.array([10.0, 37.0, 200.0])
    warmup = jnp.array([0.0, 0.25, 0.5])
    lanes = jax.vmap(lambda s, w: schedules.cosine(jnp.int32(7), s, warmup=w))(steps, warmup)
    alone = [schedules.cosine(7, s, warmup=w) for s, w in zip(steps, warmup, strict=True)]
    np.testing.assert_allclose(lanes, np.array(alone), rtol=1e-6)
