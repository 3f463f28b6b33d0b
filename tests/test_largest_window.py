"""The largest product over windows: the plain maximum in value and all derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcdl.models.largest_window import _plain, largest_product
from tests.quick import quick


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def operands(window=3, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x, kernel = (jnp.asarray(rng.normal(size=s), dtype) for s in ((4, 7, 2), (window * 2, 5)))
    allowed = rng.random((4, 7, 5)) < 0.6
    allowed[:, 0] = True
    return x, kernel, jnp.asarray(allowed)


def by_hand(x, kernel, allowed):
    """With loops, in NumPy."""
    B, _, E = x.shape
    found = np.full((B, kernel.shape[1]), -np.inf)
    padded = np.concatenate([x, np.zeros((B, len(kernel) // E - 1, E))], axis=1)
    for b, t, f in np.argwhere(allowed):
        window = padded[b, t : t + len(kernel) // E].ravel()
        found[b, f] = max(found[b, f], window @ kernel[:, f])
    return found


@pytest.mark.parametrize("window", [1, 9])
@pytest.mark.usefixtures("float64")
def test_is_the_maximum_in_every_derivative(window):
    x, kernel, allowed = operands(window)
    np.testing.assert_allclose(
        largest_product(x, kernel, allowed), by_hand(*map(np.asarray, (x, kernel, allowed)))
    )
    dx, dkernel = jnp.cos(x), jnp.sin(kernel)

    def derivatives(f):
        def scalar(x, kernel):
            return jnp.sum(jnp.tanh(f(jnp.tanh(x), kernel, allowed)))

        def slope(x, kernel):
            return jax.jvp(scalar, (x, kernel), (dx, dkernel))[1]

        gradient = jax.grad(scalar, (0, 1))
        again = jax.jvp(gradient, (x, kernel), (dx, dkernel))[1]
        return gradient(x, kernel), slope(x, kernel), again, jax.grad(slope, (0, 1))(x, kernel)

    found, expected = quick(lambda: [derivatives(largest_product), derivatives(_plain)])()
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_a_lane_is_what_it_is_alone_and_does_not_feel_its_neighbour():
    pairs = [operands(dtype="float32", seed=seed) for seed in (0, 1)]
    xs, kernels, alloweds = (jnp.stack(a) for a in zip(*pairs, strict=True))

    @quick
    def lanes(xs, kernels, alloweds):
        def scalar(x, kernel, allowed):
            return jnp.sum(jnp.sin(largest_product(x, kernel, allowed)))

        return jax.vmap(jax.grad(scalar, (0, 1)))(xs, kernels, alloweds)

    before, after = lanes(xs, kernels, alloweds), lanes(xs.at[1].set(jnp.nan), kernels, alloweds)
    alone = quick(jax.grad(lambda x, k: jnp.sum(jnp.sin(_plain(x, k, pairs[0][2]))), (0, 1)))(
        *pairs[0][:2]
    )
    for a, b, c in zip(before, after, alone, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_allclose(a[0], c, rtol=1e-4, atol=1e-5)


def test_equal_windows_give_parameters_what_sharing_gives():
    """A text of one token: all windows tie, and the token's vector gets the same either way."""
    _, kernel, allowed = operands(dtype="float32")
    token = jnp.array([0.3, -0.7])

    def slopes(f):
        def scalar(token, kernel):
            return jnp.sum(
                jnp.sin(f(jnp.tile(token, (4, 7, 1)), kernel, allowed.at[:, 5:].set(False)))
            )

        return quick(jax.grad(scalar, (0, 1)))(token, kernel)

    for a, b in zip(slopes(largest_product), slopes(_plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_nan_reaches_the_output():
    x, kernel, allowed = operands(dtype="float32")
    found = largest_product(x.at[0, 0, 0].set(jnp.nan), kernel, allowed)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1:]).all()


def test_sums_of_bfloat16_do_not_halt():
    """A window that 2000 filters find the largest: ones added in bfloat16 would end at 256."""
    x, kernel = jnp.ones((1, 3, 1), "bfloat16"), jnp.ones((1, 2000), "bfloat16")
    allowed = jnp.ones((1, 3, 2000), bool)
    slope = quick(jax.grad(lambda x: jnp.sum(largest_product(x, kernel, allowed))))(x)
    assert slope.dtype == "bfloat16"
    np.testing.assert_allclose(np.asarray(slope, "float32")[0, 0], 2000, rtol=1e-2)


def test_the_gradient_multiplies_once():
    """Of three products of all windows only that of the value is left."""
    x, kernel, allowed = operands(dtype="float32")
    gradient = jax.jit(jax.grad(lambda x, k: jnp.sum(largest_product(x, k, allowed)), (0, 1)))
    text = gradient.lower(x, kernel).compile().as_text() or ""
    assert len([line for line in text.splitlines() if " dot(" in line]) == 1
