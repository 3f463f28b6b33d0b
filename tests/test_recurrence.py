"""Recurrent layers against the plain loop over time and its automatic gradient."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcdl.models.cells import GRU_CELL, LSTM_CELL
from funcdl.models.make import make_model
from funcdl.models.recurrence import Weights, states
from funcdl.train.precision import computing_in
from funcdl.train.remat import rematerialised
from tests.quick import quick

TIME, BATCH, WIDTH = 5, 3, 4
CELLS = {"lstm": (LSTM_CELL, 4, 0), "gru": (GRU_CELL, 3, 1)}


def plain_lstm(inputs, given):
    """As its equations stand, by `lax.scan`."""

    def step(carried, x):
        h, c = carried
        i, f, o, g = jnp.split(x @ given.of_input + h @ given.of_state, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((inputs.shape[1], len(given.of_state)), inputs.dtype)
    return lax.scan(step, (zero, zero), inputs)[1]


def plain_gru(inputs, given):
    def step(h, x):
        (r, z, n), (of_r, of_z, of_n) = (
            jnp.split(part, 3, -1) for part in (x @ given.of_input, h @ given.of_state)
        )
        r, z = jax.nn.sigmoid(r + of_r), jax.nn.sigmoid(z + of_z)
        n = jnp.tanh(n + r * (of_n + given.bias[None]))
        h = (1 - z) * n + z * h
        return h, h

    zero = jnp.zeros((inputs.shape[1], len(given.of_state)), inputs.dtype)
    return lax.scan(step, zero, inputs)[1]


PLAIN = {"lstm": plain_lstm, "gru": plain_gru}


def arguments(name, time=TIME, dtype="float64", seed=0):
    _, gates, inner = CELLS[name]
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape), dtype)

    weights = Weights(draw(2, gates * WIDTH), draw(WIDTH, gates * WIDTH), draw(inner * WIDTH))
    return draw(time, BATCH, 2), weights


def ours(name):
    return lambda *given: states(CELLS[name][0], *given)


def scalar(function):
    """A number that every state has a part of, each another one."""

    def of(*given):
        found = function(*given)
        return jnp.sum(jnp.sin(found + jnp.arange(found.size).reshape(found.shape)))

    return of


def gradient(function):
    return jax.grad(scalar(function), argnums=(0, 1))


def same(found, expected, rtol=1e-12, atol=1e-13):
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


@pytest.fixture
def wide():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(("name", "time"), [*itertools.product(CELLS, (1, 2, TIME))])
def test_values_and_gradients_in_float64(name, time):
    given = arguments(name, time)
    same(quick(ours(name))(*given), quick(PLAIN[name])(*given))
    same(quick(gradient(ours(name)))(*given), quick(gradient(PLAIN[name]))(*given))


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", CELLS)
def test_lanes_recomputation_and_second_derivatives(name):
    given, other = arguments(name), arguments(name, seed=1)
    many = jax.tree.map(lambda *leaves: jnp.stack(leaves), given, other)
    expected = quick(jax.vmap(gradient(PLAIN[name])))(*many)
    same(quick(jax.vmap(gradient(ours(name))))(*many), expected)
    again = quick(gradient(jax.checkpoint(ours(name))))(*given)
    same(again, jax.tree.map(lambda leaf: leaf[0], expected))
    # A Hessian times a vector, forward over reverse, as Sophia takes it.
    products = [
        quick(lambda *at, f=f: jax.jvp(gradient(f), at, other)[1])(*given)
        for f in (ours(name), PLAIN[name])
    ]
    same(*products)


@pytest.mark.parametrize("name", CELLS)
def test_in_half_precision_all_is(name):
    given = arguments(name, dtype="bfloat16")
    single = jax.tree.map(lambda x: x.astype("float32"), given)
    found = quick(ours(name))(*given)
    assert found.dtype == "bfloat16"
    np.testing.assert_allclose(found.astype("float32"), PLAIN[name](*single), atol=0.05)
    slopes = quick(gradient(ours(name)))(*given)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(slopes)} == {"bfloat16"}


@pytest.mark.parametrize("name", CELLS)
def test_every_weight_is_trained_however_it_is_computed(name):
    model = make_model({"name": name, "hidden": [WIDTH]}, 3)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(BATCH, TIME, 2)), "float32")
    params = quick(model.init)(jax.random.key(0), x)["params"]
    for how in (model, rematerialised(model), computing_in(model, "bfloat16")):

        def loss(p, how=how):
            return jnp.sum(how.apply({"params": p}, x, train=True, rngs={})[0] ** 2)

        slopes = quick(jax.grad(loss))(params)
        assert jax.tree.structure(slopes) == jax.tree.structure(params)
        assert all(bool((leaf != 0).any()) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", CELLS)
def test_weights_start_orthogonal_gate_by_gate(name):
    model = make_model({"name": name, "hidden": [WIDTH, 6]}, 3)
    params = quick(model.init)(jax.random.key(0), jnp.zeros((1, TIME, 2)))["params"]
    for layer, width in (("Layer_0", WIDTH), ("Layer_1", 6)):
        weights = np.asarray(params[layer]["recurrent"])
        squares = np.split(weights, CELLS[name][1], -1)
        for square in squares:
            np.testing.assert_allclose(square.T @ square, np.eye(width), atol=1e-5)
        assert not np.allclose(squares[0], squares[1])


def test_an_unstable_state_overflows_nowhere():
    """Gates of a hundred in either way: states are finite, and so are gradients."""
    for name in CELLS:
        inputs, weights = arguments(name, dtype="float32")
        large = (100 * inputs, weights)
        found = quick(jax.value_and_grad(scalar(ours(name)), argnums=(0, 1)))(*large)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(found))
